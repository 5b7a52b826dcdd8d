// Histograms of gradients and parameters: the numbers of W&B's rule, at the right steps, and in any
// order of destruction.
#include "track/run_folder.hpp"

#include "track/tensor_stats.hpp"

#include <muon/track/run.hpp>
#include <muon/track/watch.hpp>

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <vector>

namespace {

using namespace muon::track;
using testing::ElementsAre;

struct RowsByStep : Sink {
  std::string name() const override { return "memory"; }
  void row(const Row& row) override {
    for (const auto& [name, value] : row.values) rows[row.step][name] = value;
  }
  std::map<std::int64_t, std::map<std::string, Value>> rows;
};

class Watching : public track_test::InFolder {};

double number(const Value& value) { return std::get<double>(value.get()); }

TEST(HistogramOf, IsHistcOverTheRange) {
  torch::manual_seed(1);
  for (const auto type : {torch::kFloat32, torch::kFloat64, torch::kBFloat16}) {
    for (const std::int64_t count : {1500, 17, 5, 100003}) {
      const torch::Tensor x = torch::randn({count}).to(type).slice(0, 1);
      const Histogram h = muon::track::histogram(x, 64);
      const torch::Tensor wide = x.to(torch::kFloat64);
      const double least = wide.min().item<double>(), greatest = wide.max().item<double>();
      ASSERT_EQ(h.counts.size(), 64u);
      ASSERT_EQ(h.edges.size(), 65u);
      EXPECT_EQ(h.edges.front(), least);
      EXPECT_EQ(h.edges.back(), greatest);
      // in float64 too; a value at an edge may round to either side of it
      const torch::Tensor counts = torch::histc(wide, 64, least, greatest).to(torch::kLong);
      std::int64_t difference = 0;
      for (std::int64_t i = 0; i < 64; ++i)
        difference +=
            std::abs(h.counts[static_cast<std::size_t>(i)] - counts[i].item<std::int64_t>());
      EXPECT_LE(difference, 2 * (count / 50000)) << count;
    }
  }
}

TEST(HistogramOf, EveryKindOfTensor) {
  const double nan = std::nan(""), infinity = std::numeric_limits<double>::infinity();
  const Histogram some =
      muon::track::histogram(torch::tensor({nan, 1.0, infinity, 3.0, -infinity}), 2);
  EXPECT_THAT(some.edges, ElementsAre(1, 2, 3));
  EXPECT_THAT(some.counts, ElementsAre(1, 1));
  EXPECT_TRUE(muon::track::histogram(torch::tensor({nan})).counts.empty());
  EXPECT_TRUE(muon::track::histogram(torch::empty({0, 3})).counts.empty());
  const Histogram equal = muon::track::histogram(torch::full({4}, 2.5));
  EXPECT_THAT(equal.edges, ElementsAre(2.5, 2.5));
  EXPECT_THAT(equal.counts, ElementsAre(4));
  const Histogram whole = muon::track::histogram(torch::tensor({1, 2, 3}, torch::kInt32), 2);
  EXPECT_THAT(whole.counts, ElementsAre(1, 2));
  const torch::Tensor sparse = torch::tensor({{0.0, 4.0}, {0.0, 2.0}}).to_sparse();
  const Histogram zeros = muon::track::histogram(sparse, 4);
  EXPECT_THAT(zeros.edges, ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(zeros.counts, ElementsAre(2, 0, 1, 1));
  EXPECT_THROW((void)muon::track::histogram(torch::ones({2}), 0), std::invalid_argument);
  EXPECT_THROW((void)muon::track::histogram(torch::ones({2}), 513), std::invalid_argument);
  EXPECT_THROW((void)muon::track::histogram(torch::Tensor()), std::invalid_argument);
  EXPECT_EQ(muon::track::histogram(torch::full({3}, 1e38).mul(torch::tensor({-3.0, 0.0, 3.0})), 3)
                .counts.size(),
            3u);  // a range past float32's
}

/// What must hold of any histogram of these finite values.
void expect_histogram(const torch::Tensor& values, std::int64_t bins) {
  const Histogram h = muon::track::histogram(values, bins);
  const torch::Tensor wide = (values.is_sparse() ? values.to_dense() : values).to(torch::kFloat64);
  ASSERT_EQ(h.edges.size(), h.counts.size() + 1) << values;
  for (const double edge : h.edges) EXPECT_TRUE(std::isfinite(edge)) << values;
  EXPECT_TRUE(std::is_sorted(h.edges.begin(), h.edges.end())) << values;
  EXPECT_EQ(h.edges.front(), wide.min().item<double>());
  EXPECT_EQ(h.edges.back(), wide.max().item<double>());
  EXPECT_EQ(std::accumulate(h.counts.begin(), h.counts.end(), std::int64_t{0}), values.numel())
      << values;
  // the smallest value is in the first bin, the largest in the last
  EXPECT_GT(h.counts.front(), 0) << values;
  EXPECT_GT(h.counts.back(), 0) << values;
}

struct Type {
  c10::ScalarType type;
  double least, greatest, epsilon;  // positive ones
};

template <class T>
Type type_of(c10::ScalarType type) {
  using limits = std::numeric_limits<T>;
  return {type, static_cast<double>(limits::denorm_min()), static_cast<double>(limits::max()),
          static_cast<double>(limits::epsilon())};
}

TEST(HistogramOf, AnyRangeOfEveryType) {
  for (const Type& type :
       {type_of<double>(torch::kFloat64), type_of<float>(torch::kFloat32),
        type_of<c10::Half>(torch::kHalf), type_of<c10::BFloat16>(torch::kBFloat16)}) {
    const double d = type.least, m = type.greatest, e = type.epsilon;
    const std::vector<std::vector<double>> ranges{{0, d},      {-d, 0},
                                                  {-d, d},     {0, 3 * d, 20 * d},
                                                  {-m, m},     {-m, 0, m},
                                                  {m, m / 2},  {-m, -m * (1 - e)},
                                                  {-m, -d},    {d, m},
                                                  {1, 1 + e},  {-1, 0, d, 1},
                                                  {0, 1e-310}, {-1.7e308, 1.7e308}};
    for (const auto& range : ranges) {
      const torch::Tensor values = torch::tensor(range, torch::kFloat64).to(type.type);
      const torch::Tensor wide = values.to(torch::kFloat64);
      // not a range of this type
      if (!wide.isfinite().all().item<bool>() || wide.min().equal(wide.max())) continue;
      for (const std::int64_t bins : {1, 2, 7, 64, 512}) {
        expect_histogram(values, bins);
        if (type.type == torch::kFloat64 || type.type == torch::kFloat32)
          expect_histogram(values.to_sparse(), bins);
      }
    }
  }
}

TEST(HistogramOf, BinsOfTinyAndHugeRangesAreEqualParts) {
  for (const double scale : {0x1p-1060, 0x1p-500, 1.0, 0x1p500, 0x1p1020}) {
    const Histogram h = muon::track::histogram(
        torch::tensor({-4.0, -3.0, -1.0, 0.0, 0.5, 4.0}, torch::kFloat64) * scale, 4);
    EXPECT_THAT(h.edges, ElementsAre(-4 * scale, -2 * scale, 0, 2 * scale, 4 * scale));
    EXPECT_THAT(h.counts, ElementsAre(2, 1, 2, 1));
  }
}

TEST(NormOf, ValuesWhoseSquaresLeaveTheRange) {
  for (const double scale : {5e-324, 1e-300, 1e-150, 1.0, 1e150, 1e300}) {
    const torch::Tensor values = torch::tensor({3.0, -4.0, 0.0}, torch::kFloat64) * scale;
    // a few roundings
    EXPECT_NEAR(muon::track::tensor_stats(values, 2).norm / (5 * scale), 1, 1e-14) << scale;
  }
  EXPECT_EQ(muon::track::tensor_stats(torch::zeros({3}, torch::kFloat64), 2).norm, 0);
}

TEST_F(Watching, GradientsAtEveryNthBackward) {
  const auto memory = std::make_shared<RowsByStep>();
  auto run = init({.sinks = {memory}});
  torch::nn::Linear layer(3, 2);
  layer->bias.requires_grad_(false);
  const auto watched = watch(run, *layer, {.log_freq = 2});
  for (int i = 0; i < 5; ++i) {
    layer->zero_grad();
    (layer->forward(torch::ones({4, 3})).sum() * (i + 1)).backward();
    run.log({{"i", i}});
  }
  run.finish();
  for (const auto& [step, row] : memory->rows) {
    EXPECT_EQ(row.count("gradients/weight"), step % 2 == 1 ? 1u : 0u) << step;
    EXPECT_EQ(row.count("gradients/bias"), 0u);
    if (step % 2 == 1) {
      const double gradient = 4.0 * static_cast<double>(step + 1);  // of each of the six weights
      EXPECT_NEAR(number(row.at("gradient_norms/weight")), gradient * std::sqrt(6.0), 1e-4);
      EXPECT_THAT(std::get<Histogram>(row.at("gradients/weight").get()).counts, ElementsAre(6));
    }
  }
}

TEST_F(Watching, ParametersAtEveryNthStepAndNamesOfLaterModels) {
  const auto memory = std::make_shared<RowsByStep>();
  auto run = init({.sinks = {memory}});
  torch::nn::Sequential first(torch::nn::Linear(2, 2)), second(torch::nn::Linear(2, 2));
  auto one = watch(run, *first, {.log = Log::all, .log_freq = 3});
  auto two = watch(run, *second, {.log = Log::parameters, .log_freq = 1, .bins = 4});
  for (int i = 0; i < 3; ++i) {
    first->forward(torch::ones({1, 2})).sum().backward();
    one.step();
    two.step();
    run.log({{"i", i}});
  }
  EXPECT_EQ(memory->rows[0].count("parameters/0.weight"), 0u);
  EXPECT_EQ(memory->rows[2].count("parameters/0.weight"), 1u);
  EXPECT_EQ(memory->rows[2].count("gradients/0.weight"), 1u);
  EXPECT_EQ(memory->rows[0].count("parameters/graph_10.weight"), 1u);
  EXPECT_EQ(memory->rows[0].count("gradients/graph_10.weight"), 0u);
  EXPECT_NEAR(number(memory->rows[2].at("parameter_norms/0.weight")),
              first->parameters()[0].norm().item<double>(), 1e-6);
}

TEST_F(Watching, WhatCannotBeCountedDoesNotEndABackward) {
  const auto memory = std::make_shared<RowsByStep>();
  auto run = init({.sinks = {memory}});
  struct MixedImpl : torch::nn::Module {
    MixedImpl() {
      real = register_parameter("real", torch::full({2}, 1e-25));
      complex = register_parameter("complex", torch::ones({2}, torch::kComplexFloat));
    }
    torch::Tensor real, complex;
  };
  MixedImpl model;
  auto watched = watch(run, model, {.log = Log::all, .log_freq = 1});
  (model.real.sum() * 1e-25 + torch::real(model.complex).sum()).backward();
  watched.step();
  run.log({{"x", 1}});
  // squares below float32
  EXPECT_NEAR(number(memory->rows.at(0).at("gradient_norms/real")) / (1e-25 * std::sqrt(2.0)), 1,
              1e-6);
  EXPECT_EQ(memory->rows.at(0).count("gradients/complex"), 0u);
  EXPECT_TRUE(run.problems().empty());
}

TEST_F(Watching, MayEndInAnyOrder) {
  const auto memory = std::make_shared<RowsByStep>();
  const auto backward = [](torch::nn::Linear& layer) {
    layer->forward(torch::ones({1, 2})).sum().backward();
  };
  {
    auto run = init({.sinks = {memory}});  // the model goes first, then the watch
    auto layer = std::make_unique<torch::nn::Linear>(2, 2);
    auto watched = watch(run, **layer, {.log = Log::all, .log_freq = 1});
    layer.reset();
    watched.step();
    watched.unwatch();
    watched.unwatch();
  }
  torch::nn::Linear layer(2, 2);
  {
    auto run = std::make_unique<muon::track::Run>(init({.sinks = {memory}}));  // the run goes first
    auto watched = watch(*run, *layer, {.log = Log::all, .log_freq = 1});
    run.reset();
    backward(layer);
    watched.step();
  }
  backward(layer);  // the watch is gone
  EXPECT_TRUE(memory->rows.empty());
  auto run = init({.sinks = {memory}});
  {
    auto watched = watch(run, *layer, {.log_freq = 1});
    backward(layer);
  }
  backward(layer);
  run.log({{"x", 1}});
  EXPECT_EQ(memory->rows.at(0).count("gradients/weight"), 1u);
  EXPECT_EQ(memory->rows.at(0).count("gradients/bias"), 1u);
  EXPECT_THROW((void)watch(run, *layer, {.log_freq = 0}), std::invalid_argument);
  EXPECT_THROW((void)watch(run, *layer, {.bins = 513}), std::invalid_argument);
  run.finish();
  EXPECT_THROW((void)watch(run, *layer), std::logic_error);
}

}  // namespace
