// The steps of Muon and MuonWithAuxAdam on a CPU against the formulas as they are written down, one
// tensor at a time in float64.
//
// Tolerances, relative to the largest entry
//   2e-3          a float32 parameter under Muon: the rational methods amplify 6e-8 by up to 1.6e4
//                 where singular values are near 1e-3 of the norm bound, as square random matrices
//                 have them. Worst measured 7e-4
//   4e-6, 2e-6    float32 under AdamW, and every state: 20 steps of some operations of 6e-8 each.
//                 Worst measured 1e-6 and 7e-7
//   1e-9, 1e-12   the same in float64, from 1e-16
//   2^-6, 2^-9    bfloat16 and float16: two roundings at the largest entry, where a value near a
//                 tie falls to the other side
//   6e-2          bfloat16 products, as in orthogonalize_property_test.cpp
#include "support/errors.hpp"
#include "support/newton_schulz.hpp"
#include "support/state_of.hpp"
#include "support/tensors.hpp"
#include "support/threads.hpp"

#include <muon/muon.hpp>

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <limits>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

namespace {

using muon::ComputeDtype;
using muon::MatrixView;
using muon::Method;
using muon::MuonOptions;
using muon::NormBound;
using muon::NormEps;
using torch::optim::AdamWOptions;
using torch::optim::AdamWParamState;
using Group = torch::optim::OptimizerParamGroup;
using Sizes = std::vector<std::int64_t>;

constexpr std::array all_methods{Method::newton_schulz, Method::dwh2, Method::zolotarev2,
                                 Method::zolotarev3};

struct Rounding {
  double muon, adamw, state;
};

Rounding rounding(torch::ScalarType type) {
  switch (type) {
    case torch::kFloat64: return {1e-9, 1e-12, 1e-12};
    case torch::kBFloat16: return {0x1p-6, 0x1p-6, 0x1p-6};
    case torch::kFloat16: return {0x1p-9, 0x1p-9, 0x1p-9};
    default: return {2e-3, 4e-6, 2e-6};
  }
}

/// The same values in another layout.
torch::Tensor laid_out(const torch::Tensor& t, std::size_t layout) {
  if (t.dim() == 0 || t.numel() == 0) return t;
  switch (layout % 4) {
    case 1: return t.transpose(0, -1).contiguous().transpose(0, -1);
    case 2: return torch::stack({t, t}, -1).select(-1, 1);  // every second value in memory
    case 3:
      return t.dim() == 4 ? t.contiguous(at::MemoryFormat::ChannelsLast)  //
                          // not at the start of its memory
                          : torch::cat({t, t}).narrow(0, t.size(0), t.size(0));
    default: return t.contiguous();
  }
}

template <class Options>
Group group(const Tensors& parameters, const Options& options) {
  return {parameters, std::make_unique<Options>(options)};
}

// ---- Muon ----

/// In float64: Newton-Schulz written down, or the other methods one matrix at a time, which have
/// tests of their own.
torch::Tensor polar(const torch::Tensor& matrix, const MuonOptions& options) {
  const auto how = options.orthogonalize_options();
  if (how.method != Method::newton_schulz || how.compute_dtype == ComputeDtype::bfloat16)
    return muon::orthogonalize(matrix, how);
  const double norm = matrix.norm().item<double>();
  return plain_steps(
      matrix / (how.norm_eps == NormEps::clamp ? std::max(norm, how.eps) : norm + how.eps),
      how.steps);
}

/// One parameter under Muon, in float64, rounded to its type after each step.
struct PlainMuon {
  explicit PlainMuon(const torch::Tensor& p)
      : type(p.scalar_type()), parameter(wide(p)), buffer(torch::zeros_like(parameter)) {}

  void step(const torch::Tensor& gradient, const MuonOptions& options, const MatrixView& view) {
    const torch::Tensor g = wide(gradient);
    buffer.lerp_(g, 1 - options.momentum());
    const torch::Tensor update =
        options.nesterov() ? g.lerp(buffer, options.momentum()) : buffer.clone();
    for (const torch::Tensor& block : view.matrices(update)) {
      const double factor = muon::lr_factor(options.adjust_lr_fn(), block.size(1), block.size(2));
      for (std::int64_t i = 0; i < block.size(0); ++i)
        block[i].copy_(factor * polar(block[i], options));
    }
    parameter.mul_(1 - options.lr() * options.weight_decay()).sub_(options.lr() * update);
    parameter = parameter.to(type).to(torch::kFloat64);
    buffer = buffer.to(type).to(torch::kFloat64);
  }

  torch::ScalarType type;
  torch::Tensor parameter, buffer;
};

struct Leaf {
  std::string name;
  Sizes shape;
  MatrixView view;
};

const MatrixView as_matrix = MatrixView::matrix(), as_flat = MatrixView::flatten(),
                 as_stack = MatrixView::stack();
const std::vector<Leaf> leaves{{"wide", {24, 40}, {}},
                               {"tall", {70, 33}, {}},
                               {"square", {31, 31}, as_matrix},
                               {"row", {1, 9}, {}},
                               {"column", {9, 1}, {}},
                               {"number", {1, 1}, {}},
                               {"convolution", {16, 3, 3, 2}, {}},
                               {"flat", {8, 5, 3}, as_flat},
                               {"turned", {6, 8, 2, 2}, as_flat.transposed()},
                               {"grouped", {8, 2, 3, 3}, as_flat.chunk_rows(2)},
                               {"rows", {24, 20}, as_matrix.split_rows({6, 2, 16})},
                               {"heads", {24, 20}, as_matrix.chunk_rows(4)},
                               {"transposed", {12, 30}, as_matrix.transposed()},
                               {"columns", {20, 24}, as_matrix.transposed().chunk_rows(2)},
                               {"stack", {3, 12, 20}, as_stack},
                               {"heads in a stack", {2, 2, 12, 7}, as_stack.chunk_rows(3)}};

/// One group a method, and no two alike in anything.
std::vector<MuonOptions> group_options() {
  return {MuonOptions(0.3).momentum(0.9),
          MuonOptions(0.1)
              .ns_preset(muon::jiacheng_you_steps())
              .momentum(0)
              .weight_decay(0)
              .compute_dtype(ComputeDtype::float64),
          MuonOptions(0.2)
              .nesterov(false)
              .ns_preset(muon::polar_express_steps())
              .norm_eps(NormEps::add)
              .eps(0.1),
          MuonOptions(0.05).method(Method::dwh2).adjust_lr_fn(muon::AdjustLr::match_rms_adamw),
          MuonOptions(0.2)
              .method(Method::zolotarev2)
              .nesterov(false)
              .norm_bound(NormBound::schatten4)
              .weight_decay(0.5),
          MuonOptions(0.3)
              .method(Method::zolotarev3)
              .norm_bound(NormBound::schatten8)
              .adjust_lr_fn(muon::AdjustLr::spectral_unclamped)};
}

class EveryType : public testing::TestWithParam<torch::ScalarType> {
 protected:
  void SetUp() override { torch::manual_seed(0); }
};
INSTANTIATE_TEST_SUITE_P(Types, EveryType,
                         testing::Values(torch::kFloat32, torch::kFloat64, torch::kBFloat16,
                                         torch::kFloat16),
                         [](const auto& one) { return std::string(c10::toString(one.param)); });

TEST_P(EveryType, MuonFollowsItsFormulaForEveryMethodViewAndLayout) {
  const auto options = group_options();
  Tensors parameters;
  std::vector<PlainMuon> plain;
  std::vector<muon::ParamGroup> groups;
  for (const MuonOptions& its : options) {
    std::vector<MatrixView> views;
    for (const Leaf& leaf : leaves) {
      plain.emplace_back((0.1 * torch::randn(leaf.shape)).to(GetParam()));
      parameters.push_back(
          laid_out(plain.back().parameter.clone().to(GetParam()), parameters.size() + groups.size())
              .requires_grad_());
      views.push_back(leaf.view);
    }
    groups.emplace_back(Tensors(parameters.end() - std::ssize(leaves), parameters.end()), its);
    groups.back().views = views;
  }
  muon::Muon optimizer(groups);
  for (std::size_t step = 0; step < 4; ++step) {
    for (std::size_t i = 0; i < plain.size(); ++i) {
      const bool expanded = step == 2 && i % 3 == 0;
      const torch::Tensor values = torch::randn(parameters[i].sizes()).to(GetParam());
      set_gradient(parameters[i], expanded ? values.narrow(-1, 0, 1).expand_as(values)
                                           : laid_out(values, i + step));
      plain[i].step(parameters[i].grad(), options[i / leaves.size()],
                    leaves[i % leaves.size()].view);
    }
    optimizer.step();
  }
  for (std::size_t i = 0; i < plain.size(); ++i) {
    SCOPED_TRACE(leaves[i % leaves.size()].name + " of group " + std::to_string(i / leaves.size()));
    expect_close(parameters[i], plain[i].parameter, rounding(GetParam()).muon);
    expect_close(momentum_of(optimizer, parameters[i]), plain[i].buffer,
                 rounding(GetParam()).state);
  }
}

TEST_P(EveryType, MuonKeepsItsTypeWhateverTheProductsAreComputedIn) {
  const Leaf& leaf = leaves[10];
  for (const auto type : {ComputeDtype::bfloat16, ComputeDtype::float32, ComputeDtype::float64}) {
    const auto options = MuonOptions(0.3).compute_dtype(type);
    const torch::Tensor p =
        laid_out(torch::randn(leaf.shape).to(GetParam()), 1).detach().requires_grad_();
    PlainMuon plain(p);
    muon::ParamGroup group({p}, options);
    group.views = {leaf.view};
    muon::Muon optimizer({group});
    for (int step = 0; step < 3; ++step) {
      random_gradients({p});
      plain.step(p.grad(), options, leaf.view);
      optimizer.step();
    }
    SCOPED_TRACE(to_string(type));
    expect_close(p, plain.parameter,
                 type == ComputeDtype::bfloat16 ? 6e-2 : std::max(2e-3, rounding(GetParam()).muon));
    expect_close(momentum_of(optimizer, p), plain.buffer, rounding(GetParam()).state);
  }
}

/// A gradient many orders smaller than the buffer that it replaces: lerp's second form gives it
/// exactly. Where the buffer keeps a part, both forms round to some parts in 1e7 of the larger one.
TEST_P(EveryType, AMomentumOfZeroForgetsTheBuffer) {
  // in range, its square under AdamW too
  const double large = GetParam() == torch::kFloat16 ? 1e3 : 1e6;
  for (const bool nesterov : {false, true}) {
    const auto options = MuonOptions(0.3).momentum(0).nesterov(nesterov);
    const torch::Tensor p = torch::randn({8, 8}).to(GetParam()).requires_grad_();
    PlainMuon plain(p);
    muon::Muon optimizer(Tensors{p}, options);
    for (const double size : {large, 1.0}) {
      set_gradient(p, (size * torch::randn({8, 8})).to(GetParam()));
      plain.step(p.grad(), options, {});
      optimizer.step();
    }
    EXPECT_TRUE(torch::equal(momentum_of(optimizer, p), p.grad()));
    expect_close(p, plain.parameter, rounding(GetParam()).muon);
  }
}

TEST_P(EveryType, ABeta1OfZeroForgetsTheAverage) {
  // in range, its square under AdamW too
  const double large = GetParam() == torch::kFloat16 ? 1e3 : 1e6;
  const torch::Tensor p = torch::randn({64}).to(GetParam()).requires_grad_();
  muon::MuonWithAuxAdam optimizer({group({p}, AdamWOptions(1e-3).betas({0, 0.999}))});
  for (const double size : {large, 1.0}) {
    set_gradient(p, (size * torch::randn({64})).to(GetParam()));
    optimizer.step();
  }
  EXPECT_TRUE(torch::equal(state_of<AdamWParamState>(optimizer, p).exp_avg(), p.grad()));
}

/// A first step under InferenceMode makes state that a later step must be able to write.
TEST_P(EveryType, AStepAfterOneUnderInferenceModeWorks) {
  const torch::Tensor matrix = torch::randn({6, 4}).to(GetParam()).requires_grad_();
  const torch::Tensor vector = torch::randn({4}).to(GetParam()).requires_grad_();
  muon::MuonWithAuxAdam optimizer(
      {group({matrix}, MuonOptions(0.3)), group({vector}, AdamWOptions(0.1))});
  random_gradients({matrix, vector});
  {
    const c10::InferenceMode inference;
    optimizer.step();
  }
  const Tensors before = copies({matrix, vector});
  random_gradients({matrix, vector});
  EXPECT_NO_THROW(optimizer.step());
  EXPECT_FALSE(torch::equal(matrix, before[0]));
  EXPECT_FALSE(torch::equal(vector, before[1]));
}

// ---- AdamW ----

/// One tensor under AdamW, in float64, rounded to its type after each step.
struct PlainAdamW {
  explicit PlainAdamW(const torch::Tensor& p)
      : type(p.scalar_type()),
        parameter(wide(p)),
        average(torch::zeros_like(parameter)),
        square(average.clone()),
        most(average.clone()) {}

  void step(const torch::Tensor& gradient, const AdamWOptions& options) {
    const auto [beta1, beta2] = options.betas();
    const torch::Tensor g = wide(gradient);
    ++count;
    average = beta1 * average + (1 - beta1) * g;
    square = beta2 * square + (1 - beta2) * g * g;
    most = torch::maximum(most, square);
    const torch::Tensor root =
        ((options.amsgrad() ? most : square) / (1 - std::pow(beta2, count))).sqrt() + options.eps();
    parameter = (1 - options.lr() * options.weight_decay()) * parameter -
                options.lr() / (1 - std::pow(beta1, count)) * average / root;
    for (torch::Tensor* t : {&parameter, &average, &square, &most})
      *t = t->to(type).to(torch::kFloat64);
  }

  torch::ScalarType type;
  torch::Tensor parameter, average, square, most;
  int count = 0;
};

const std::vector<Sizes> adamw_shapes{{},     {1},     {31},    {32},         {33},     {0},
                                      {0, 3}, {70000}, {7, 11}, {2, 3, 5, 7}, {3, 4, 5}};

std::vector<AdamWOptions> adamw_options() {
  using Betas = std::tuple<double, double>;
  std::vector<AdamWOptions> result;
  for (const bool amsgrad : {false, true}) {
    result.push_back(AdamWOptions(0.01).amsgrad(amsgrad));
    result.push_back(
        AdamWOptions(0.05).betas(Betas(0.8, 0.95)).eps(1e-6).weight_decay(0.3).amsgrad(amsgrad));
    result.push_back(AdamWOptions(0.02).betas(Betas(0, 0.5)).weight_decay(0).amsgrad(amsgrad));
  }
  return result;
}

TEST_P(EveryType, AdamWFollowsItsFormulaAndTorch) {
  // which rounds half precision more often
  const bool in_torch = GetParam() == torch::kFloat32 || GetParam() == torch::kFloat64;
  const auto options = adamw_options();
  Tensors parameters, same;
  std::vector<PlainAdamW> plain;
  std::vector<Group> groups, same_groups;
  for (const AdamWOptions& its : options) {
    for (const Sizes& shape : adamw_shapes) {
      plain.emplace_back(torch::randn(shape).to(GetParam()));
      parameters.push_back(
          laid_out(plain.back().parameter.clone().to(GetParam()), parameters.size())
              .requires_grad_());
      same.push_back(parameters.back().detach().clone().requires_grad_());
    }
    groups.push_back(
        group(Tensors(parameters.end() - std::ssize(adamw_shapes), parameters.end()), its));
    same_groups.push_back(group(Tensors(same.end() - std::ssize(adamw_shapes), same.end()), its));
  }
  muon::MuonWithAuxAdam optimizer(groups);
  torch::optim::AdamW reference(same_groups);
  for (std::size_t step = 0; step < 20; ++step) {
    const double size = step < 5 ? 3 : 0.3;  // falling, so that amsgrad's maximum matters
    for (std::size_t i = 0; i < plain.size(); ++i) {
      const torch::Tensor values = (size * torch::randn(parameters[i].sizes())).to(GetParam());
      const bool expanded = step % 7 == 6 && values.dim() > 0 && values.numel() > 0;
      set_gradient(parameters[i], expanded ? values.narrow(0, 0, 1).expand_as(values)
                                           : laid_out(values, i + step));
      set_gradient(same[i], parameters[i].grad().contiguous());
      plain[i].step(parameters[i].grad(), options[i / adamw_shapes.size()]);
    }
    optimizer.step();
    if (in_torch) reference.step();
  }
  for (std::size_t i = 0; i < plain.size(); ++i) {
    if (plain[i].parameter.numel() == 0) continue;
    SCOPED_TRACE("tensor " + std::to_string(i % adamw_shapes.size()) + " of group " +
                 std::to_string(i / adamw_shapes.size()));
    const auto& state = state_of<AdamWParamState>(optimizer, parameters[i]);
    const double adamw = rounding(GetParam()).adamw, of_state = rounding(GetParam()).state;
    expect_close(parameters[i], plain[i].parameter, adamw);
    if (in_torch) expect_close(parameters[i], same[i], adamw);
    expect_close(state.exp_avg(), plain[i].average, of_state);
    expect_close(state.exp_avg_sq(), plain[i].square, of_state);
    if (options[i / adamw_shapes.size()].amsgrad())
      expect_close(state.max_exp_avg_sq(), plain[i].most, of_state);
    EXPECT_EQ(state.step(), 20);
  }
}

// ---- both kinds ----

const std::vector<Sizes> matrix_shapes{{300, 280}, {40, 700}, {100, 140},   {100, 140},
                                       {90, 100},  {90, 100}, {17, 5},      {64, 64},
                                       {64, 64},   {1, 1},    {16, 4, 3, 3}};
const std::vector<Sizes> vector_shapes{{70000}, {33}, {1}, {128, 300}};

/// Parameters of both kinds and of many shapes, all that can be different between two runs already
/// drawn.
struct Training {
  static constexpr std::size_t steps = 3;

  explicit Training(std::uint64_t seed) {
    torch::manual_seed(seed);
    for (const Sizes& shape : matrix_shapes)
      matrices.push_back(torch::randn(shape).requires_grad_());
    for (const Sizes& shape : vector_shapes)
      vectors.push_back(torch::randn(shape).requires_grad_());
    for (std::size_t step = 0; step < steps; ++step) {
      for (const torch::Tensor& p : all()) gradients.push_back(torch::randn_like(p));
    }
  }

  Tensors all() const {
    Tensors result = matrices;
    result.insert(result.end(), vectors.begin(), vectors.end());
    return result;
  }

  /// The parameters after all steps, with that many threads.
  Tensors run(int threads) {
    torch::set_num_threads(threads);
    const Tensors some(matrices.begin(), matrices.begin() + 3),
        others(matrices.begin() + 3, matrices.end());
    muon::MuonWithAuxAdam optimizer({group(some, MuonOptions(0.1).method(Method::dwh2)),
                                     group(others, MuonOptions(0.1)),
                                     group(vectors, AdamWOptions(0.01).amsgrad(true))});
    for (std::size_t step = 0; step < steps; ++step) {
      const Tensors parameters = all();
      for (std::size_t i = 0; i < parameters.size(); ++i)
        set_gradient(parameters[i], gradients[step * parameters.size() + i]);
      optimizer.step();
    }
    return all();
  }

  Tensors matrices, vectors, gradients;
};

TEST(Step, IsTheSameWithAnyNumberOfThreads) {
  const Threads restored(1);
  const Tensors expected = Training(1).run(1);
  for (const int threads : {2, 8}) {
    const Tensors found = Training(1).run(threads);
    SCOPED_TRACE(std::to_string(threads) + " threads");
    for (std::size_t i = 0; i < found.size(); ++i) expect_close(found[i], expected[i], 2e-3);
  }
}

TEST(Step, OfTwoOptimizersAtOnceIsThatOfOneAfterTheOther) {
  for (const int threads : {1, 2}) {
    const Threads restored(threads);
    std::array<Tensors, 2> expected, found;
    for (std::size_t i = 0; i < 2; ++i) expected[i] = Training(i).run(threads);
    Training first(0), second(1);
    std::thread other([&] { found[1] = second.run(threads); });
    found[0] = first.run(threads);
    other.join();
    for (std::size_t i = 0; i < 2; ++i) expect_same(found[i], expected[i]);
  }
}

TEST(Step, TellsAutogradThatItWrote) {
  const torch::Tensor matrix = torch::randn({3, 3}).requires_grad_(),
                      vector = torch::randn({3}).requires_grad_();
  muon::MuonWithAuxAdam optimizer(
      {group({matrix}, MuonOptions(0.1)), group({vector}, AdamWOptions(0.1))});
  random_gradients({matrix, vector});
  const torch::Tensor of_matrix = matrix.pow(2).sum(), of_vector = vector.pow(2).sum();
  optimizer.step();
  EXPECT_THROW(of_matrix.backward(), std::exception);  // the matrix it was computed from is gone
  EXPECT_THROW(of_vector.backward(), std::exception);
}

TEST(Step, DoesNotDependOnTheSizeOfAGradientWithoutEps) {
  for (const Method method : all_methods) {
    Tensors results;
    for (const double scale : {1.0, 0x1p-90, 0x1p90}) {  // exact, so nothing may change
      torch::manual_seed(0);
      const torch::Tensor p = torch::zeros({20, 30}).requires_grad_(),
                          q = torch::zeros({30, 28}).requires_grad_();
      muon::Muon optimizer(Tensors{p, q}, MuonOptions(0.1).eps(0).method(method));
      for (int step = 0; step < 2; ++step) {
        set_gradient(p, torch::randn({20, 30}) * scale);
        set_gradient(q, torch::randn({30, 28}) * scale);
        optimizer.step();
      }
      results.push_back(torch::cat({p.detach().flatten(), q.detach().flatten()}));
    }
    expect_same({results[1], results[2]}, {results[0], results[0]});
    EXPECT_GT(results[0].abs().max().item<double>(), 0.01);
  }
}

// ---- many leaves ----

/// Tensors over one memory, [count, ...]: leaves that can be compared all at once.
Tensors rows_of(const torch::Tensor& all) {
  Tensors rows;
  for (std::int64_t i = 0; i < all.size(0); ++i)
    rows.push_back(all.select(0, i).detach().requires_grad_());
  return rows;
}

/// A fifth of a second. Work that grew with the square of the number would not end within the
/// program's limit.
TEST(Step, TakesManyTinyParameters) {
  constexpr std::int64_t count = 100'000;
  torch::manual_seed(0);
  const torch::Tensor matrices = torch::randn({count, 2, 3}), vectors = torch::randn({count, 3});
  const torch::Tensor matrices_before = matrices.clone(), vectors_before = vectors.clone();
  const torch::Tensor matrix_gradients = torch::randn({count, 2, 3}),
                      vector_gradients = torch::randn({count, 3});
  const Tensors m = rows_of(matrices), v = rows_of(vectors);
  for (std::size_t i = 0; i < count; ++i) {
    set_gradient(m[i], matrix_gradients.select(0, static_cast<std::int64_t>(i)));
    set_gradient(v[i], vector_gradients.select(0, static_cast<std::int64_t>(i)));
  }
  muon::MuonWithAuxAdam optimizer({group(m, MuonOptions(0.1).weight_decay(0).momentum(0)),
                                   group(v, AdamWOptions(0.1).weight_decay(0))});
  optimizer.step();
  // 1e-7 of entries near 1
  expect_close(matrices - matrices_before, -0.1 * muon::orthogonalize(matrix_gradients), 1e-5);
  expect_close(vectors - vectors_before, -0.1 * vector_gradients / (vector_gradients.abs() + 1e-8),
               1e-5);
}

class NonFiniteAtTheEnd : public testing::TestWithParam<double> {};
INSTANTIATE_TEST_SUITE_P(Values, NonFiniteAtTheEnd,
                         testing::Values(std::numeric_limits<double>::quiet_NaN(),
                                         std::numeric_limits<double>::infinity(),
                                         -std::numeric_limits<double>::infinity()));

TEST_P(NonFiniteAtTheEnd, OfManyLeavesIsNamedAndChangesNothing) {
  torch::manual_seed(0);
  for (std::size_t layout = 0; layout < 4; ++layout) {
    Tensors matrices, vectors;
    for (int i = 0; i < 150; ++i)
      matrices.push_back(torch::randn({i % 7 + 1, i % 5 + 1}).requires_grad_());
    for (int i = 0; i < 150; ++i)
      vectors.push_back(torch::randn({1000 * (i % 3) + i}).requires_grad_());
    vectors.push_back(laid_out(torch::randn({3, 5, 7, 9}), layout).detach().requires_grad_());
    muon::MuonWithAuxAdam optimizer(
        {group(matrices, MuonOptions(0.1)), group(vectors, AdamWOptions(0.1).amsgrad(true))});
    random_gradients(matrices);
    random_gradients(vectors);
    optimizer.step();
    const auto everything = [&] {
      Tensors result = matrices;
      result.insert(result.end(), vectors.begin(), vectors.end());
      for (const torch::Tensor& p : matrices) result.push_back(momentum_of(optimizer, p));
      for (const torch::Tensor& p : vectors) {
        const auto& state = state_of<AdamWParamState>(optimizer, p);
        const torch::Tensor step = torch::tensor(state.step());
        result.insert(result.end(),
                      {state.exp_avg(), state.exp_avg_sq(), state.max_exp_avg_sq(), step});
      }
      return result;
    };
    const Tensors before = copies(everything());
    random_gradients(matrices);
    random_gradients(vectors);
    torch::Tensor last = laid_out(torch::randn({3, 5, 7, 9}), layout + 1);
    last[2][4][6][8] = GetParam();
    set_gradient(vectors.back(), last);
    expect_mentions(message_of<std::runtime_error>([&] { optimizer.step(); }),
                    {"'parameter 150 of group 1'"});
    expect_same(everything(), before);
  }
}

TEST_P(NonFiniteAtTheEnd, StaysInItsOwnParameterIfIgnored) {
  torch::manual_seed(0);
  for (const Method method : all_methods) {
    Tensors p;
    for (const Sizes& shape : std::vector<Sizes>{{20, 20}, {20, 60}, {130, 120}, {20, 20}, {9}})
      p.push_back(torch::randn(shape).requires_grad_());
    muon::MuonWithAuxAdam optimizer(
        {group({p[0], p[1], p[2], p[3]}, MuonOptions(0.1).method(method)),
         group({p[4]}, AdamWOptions())});
    optimizer.on_nonfinite_gradient(muon::NonFiniteGradient::ignore);
    for (int step = 0; step < 2; ++step) {
      random_gradients(p);
      for (const std::size_t bad : {0u, 1u, 2u}) p[bad].grad()[3][4] = GetParam();
      optimizer.step();
    }
    for (std::size_t i = 0; i < p.size(); ++i)
      EXPECT_EQ(p[i].isfinite().all().item<bool>(), i > 2) << to_string(method) << " " << i;
  }
}

}  // namespace
