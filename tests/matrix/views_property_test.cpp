// A step on a parameter through a view = a step on the same matrices given alone.
//
// Tolerance: 1e-9 of float64, the same operations in another order: three steps of five products,
// 1e-16 each, amplified by the polynomial's slope, 485.
#include "support/tensors.hpp"

#include <muon/muon.hpp>

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace {

using muon::AdjustLr;
using muon::MatrixView;
using muon::MuonOptions;
using Sizes = std::vector<std::int64_t>;

constexpr double tolerance = 1e-9;

torch::Tensor random(const Sizes& shape) { return torch::randn(shape, torch::kFloat64); }

/// Copies, as parameters of their own.
Tensors alone(const Tensors& tensors) {
  Tensors result;
  for (const torch::Tensor& t : tensors)
    result.push_back(t.detach().clone(at::MemoryFormat::Contiguous).requires_grad_());
  return result;
}

/// A group for an optimizer's constructor.
std::vector<muon::ParamGroup> viewed(const Tensors& parameters, const MuonOptions& options,
                                     std::vector<MatrixView> views) {
  muon::ParamGroup group(parameters, options);
  group.views = std::move(views);
  return {group};
}

struct Case {
  std::string name;
  MatrixView view;
  Sizes shape;
  std::function<Tensors(const torch::Tensor&)> cut;  // by hand, without the library
};

std::ostream& operator<<(std::ostream& out, const Case& one) { return out << one.name; }

const std::vector<Case>& cases() {
  using torch::Tensor;
  static const std::vector<Case> all{
      {"conv",
       MatrixView::flatten(),
       {8, 3, 2, 2},
       [](const Tensor& t) {
         return Tensors{t.reshape({8, 12})};
       }},
      {"conv_automatic",
       MatrixView(),
       {8, 3, 2, 2},
       [](const Tensor& t) {
         return Tensors{t.reshape({8, 12})};
       }},
      {"conv_grouped",
       MatrixView::flatten().chunk_rows(2),
       {8, 2, 3, 3},
       [](const Tensor& t) {
         return Tensors{t.narrow(0, 0, 4).reshape({4, 18}), t.narrow(0, 4, 4).reshape({4, 18})};
       }},
      {"conv_transposed",
       MatrixView::flatten().transposed(),
       {4, 2, 3, 3},
       [](const Tensor& t) {
         return Tensors{t.reshape({4, 18}).t()};
       }},
      {"qkv",
       MatrixView::matrix().chunk_rows(3),
       {12, 5},
       [](const Tensor& t) { return t.chunk(3, 0); }},
      {"rows_uneven",
       MatrixView::matrix().split_rows({6, 2, 4}),
       {12, 5},
       [](const Tensor& t) {
         return t.split_with_sizes({6, 2, 4}, 0);
       }},
      {"head",
       MatrixView::matrix().chunk_rows(4),
       {8, 6},
       [](const Tensor& t) { return t.chunk(4, 0); }},
      {"transposed",
       MatrixView::matrix().transposed(),
       {4, 9},
       [](const Tensor& t) { return Tensors{t.t()}; }},
      {"heads_along_columns",
       MatrixView::matrix().transposed().chunk_rows(2),
       {6, 8},
       [](const Tensor& t) {
         return Tensors{t.narrow(1, 0, 4).t(), t.narrow(1, 4, 4).t()};
       }},
      {"stack",
       MatrixView::stack(),
       {3, 8, 2},
       [](const Tensor& t) {
         return Tensors{t[0], t[1], t[2]};
       }},
      {"stack_of_heads",
       MatrixView::stack().chunk_rows(2),
       {2, 6, 4},
       [](const Tensor& t) {
         return Tensors{t[0].narrow(0, 0, 3), t[0].narrow(0, 3, 3), t[1].narrow(0, 0, 3),
                        t[1].narrow(0, 3, 3)};
       }},
  };
  return all;
}

class ViewStep : public testing::TestWithParam<Case> {};

TEST_P(ViewStep, IsTheStepOnTheSameMatricesAlone) {
  const auto& [name, view, shape, cut] = GetParam();
  for (const AdjustLr rule :
       {AdjustLr::original, AdjustLr::match_rms_adamw, AdjustLr::spectral_unclamped}) {
    torch::manual_seed(0);
    const auto options = MuonOptions(0.05).weight_decay(0.1).adjust_lr_fn(rule);
    torch::Tensor whole = random(shape).requires_grad_();
    Tensors matrices = alone(cut(whole));
    muon::Muon ours(viewed({whole}, options, {view}));
    muon::Muon reference(matrices, options);
    for (int step = 0; step < 3; ++step) {
      whole.mutable_grad() = random(shape);
      const Tensors gradients = cut(whole.grad());
      for (std::size_t i = 0; i < matrices.size(); ++i)
        matrices[i].mutable_grad() = gradients[i].clone();
      ours.step();
      reference.step();
    }
    const Tensors found = cut(whole.detach());
    for (std::size_t i = 0; i < found.size(); ++i) {
      EXPECT_LE(largest(found[i] - matrices[i].detach()), tolerance)
          << muon::to_string(rule) << ", matrix " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Views, ViewStep, testing::ValuesIn(cases()),
                         [](const auto& one) { return one.param.name; });

class Views : public testing::Test {
 protected:
  void SetUp() override { torch::manual_seed(0); }
};

TEST_F(Views, TheRateIsScaledByTheViewsShape) {
  struct Expected {
    Sizes shape;
    MatrixView view;
    double factor;
    double size;  // the Frobenius norm of the orthogonal factors
  };
  const std::vector<Expected> all{
      {{16, 2, 1, 2}, MatrixView::flatten(), 2, 2},                       // 16 x 4, not 16 x 2
      {{12, 4}, MatrixView::matrix(), std::sqrt(3.0), 2},                 // 12 x 4
      {{12, 4}, MatrixView::matrix().chunk_rows(3), 1, std::sqrt(12.0)},  // three of 4 x 4
      {{3, 12}, MatrixView::matrix().transposed(), 2, std::sqrt(3.0)},    // 12 x 3
      {{5, 16, 4}, MatrixView::stack(), 2, std::sqrt(20.0)},              // five of 16 x 4
  };
  for (const auto& [shape, view, factor, size] : all) {
    const torch::Tensor start = random(shape);
    torch::Tensor p = start.clone().requires_grad_();
    p.mutable_grad() = random(shape);
    muon::Muon optimizer(viewed(
        {p}, MuonOptions(0.1).weight_decay(0).ns_preset(muon::converging_steps(60)), {view}));
    optimizer.step();
    EXPECT_NEAR((p.detach() - start).norm().item<double>(), 0.1 * factor * size, tolerance)
        << view.to_string();
  }
}

TEST_F(Views, EqualShapesInOneGroupAreEachAsAlone) {
  const std::vector<Sizes> shapes{{6, 4}, {6, 4}, {4, 6}, {6, 4}, {6, 2, 2, 1}, {3, 6, 4}};
  const std::vector<MatrixView> views{MatrixView::matrix(),  MatrixView::matrix(),
                                      MatrixView::matrix(),  MatrixView::matrix(),
                                      MatrixView::flatten(), MatrixView::stack()};
  Tensors together;
  for (const Sizes& shape : shapes) together.push_back(random(shape).requires_grad_());
  Tensors apart = alone(together);
  muon::Muon one(viewed(together, MuonOptions(0.05), views));
  std::vector<std::unique_ptr<muon::Muon>> many;
  for (std::size_t i = 0; i < apart.size(); ++i) {
    many.push_back(std::make_unique<muon::Muon>(viewed({apart[i]}, MuonOptions(0.05), {views[i]})));
  }
  for (int step = 0; step < 3; ++step) {
    for (std::size_t i = 0; i < apart.size(); ++i) {
      together[i].mutable_grad() = random(shapes[i]);
      apart[i].mutable_grad() = together[i].grad().clone();
    }
    // views still belong to theirs
    if (step == 1) together[0].mutable_grad() = apart[0].mutable_grad() = torch::Tensor();
    one.step();
    for (const auto& optimizer : many) optimizer->step();
    for (std::size_t i = 0; i < apart.size(); ++i)
      EXPECT_LE(largest(together[i].detach() - apart[i].detach()), tolerance) << i;
  }
}

TEST_F(Views, TheOrderOfParametersDoesNotMatter) {
  Tensors forwards;
  for (const Sizes& shape : {Sizes{6, 4}, Sizes{4, 6}, Sizes{6, 4}, Sizes{8, 3}}) {
    forwards.push_back(random(shape).requires_grad_());
  }
  const Tensors twins = alone(forwards);
  Tensors backwards(twins.rbegin(), twins.rend());
  muon::Muon one(forwards, MuonOptions(0.05)), other(backwards, MuonOptions(0.05));
  for (int step = 0; step < 3; ++step) {
    for (std::size_t i = 0; i < twins.size(); ++i) {
      forwards[i].mutable_grad() = torch::randn_like(forwards[i]);
      backwards[twins.size() - 1 - i].mutable_grad() = forwards[i].grad().clone();
    }
    one.step();
    other.step();
  }
  for (std::size_t i = 0; i < twins.size(); ++i)
    EXPECT_LE(largest(forwards[i].detach() - twins[i].detach()), tolerance) << i;
}

TEST_F(Views, AChannelsLastConvolutionIsTheSameParameter) {
  const Sizes shape{8, 3, 2, 2};
  torch::Tensor plain = random(shape).requires_grad_();
  torch::Tensor channels_last =
      plain.detach().contiguous(at::MemoryFormat::ChannelsLast).clone().requires_grad_();
  ASSERT_FALSE(channels_last.is_contiguous());
  for (const bool nesterov : {true, false}) {
    const auto options = MuonOptions(0.05).nesterov(nesterov);
    muon::Muon one(Tensors{plain}, options), other(Tensors{channels_last}, options);
    for (int step = 0; step < 4; ++step) {
      plain.mutable_grad() = random(shape);
      const auto layout =
          step % 2 == 0 ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
      channels_last.mutable_grad() = plain.grad().clone(layout);
      one.step();
      other.step();
      EXPECT_LE(largest(channels_last.detach() - plain.detach()), tolerance) << "step " << step;
    }
    EXPECT_TRUE(channels_last.is_contiguous(at::MemoryFormat::ChannelsLast));
  }
}

TEST_F(Views, AParameterThatIsNoContiguousMemoryIsUpdatedInPlace) {
  torch::Tensor storage = random({5, 8});
  torch::Tensor transposed = storage.t().detach().requires_grad_();
  torch::Tensor plain = alone({transposed})[0];
  muon::Muon one(Tensors{plain}, MuonOptions(0.05)), other(Tensors{transposed}, MuonOptions(0.05));
  plain.mutable_grad() = random({8, 5});
  transposed.mutable_grad() = plain.grad().clone();
  one.step();
  other.step();
  EXPECT_LE(largest(transposed.detach() - plain.detach()), tolerance);
  EXPECT_EQ(transposed.data_ptr(), storage.data_ptr());
}

}  // namespace
