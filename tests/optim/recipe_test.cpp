// Recipes: which options the built-in rules give to which parameter.
#include "support/errors.hpp"

#include <muon/muon.hpp>

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace {

namespace nn = torch::nn;
using muon::MuonOptions;
using muon::MuonWithAuxAdam;
using torch::optim::AdamWOptions;

/// One parameter of each role that the built-in rules tell apart.
struct RolesImpl : nn::Module {
  RolesImpl() {
    embed = register_module("embed", nn::Embedding(10, 4));
    body = register_module("body", nn::Linear(4, 6));
    norm = register_module("norm", nn::LayerNorm(nn::LayerNormOptions({6})));
    head = register_module("head", nn::Linear(6, 3));
  }
  nn::Embedding embed{nullptr};
  nn::Linear body{nullptr}, head{nullptr};
  nn::LayerNorm norm{nullptr};
};
TORCH_MODULE(Roles);

const torch::optim::OptimizerOptions& options_of(const muon::GroupedOptimizer& optimizer,
                                                 const std::string& name) {
  for (const auto& group : optimizer.param_groups()) {
    for (const torch::Tensor& parameter : group.params()) {
      if (optimizer.name(parameter) == name) return group.options();
    }
  }
  throw std::invalid_argument("no parameter " + name);
}

const MuonOptions& muon_of(const muon::GroupedOptimizer& optimizer, const std::string& name) {
  return dynamic_cast<const MuonOptions&>(options_of(optimizer, name));
}

const AdamWOptions& adamw_of(const muon::GroupedOptimizer& optimizer, const std::string& name) {
  return dynamic_cast<const AdamWOptions&>(options_of(optimizer, name));
}

TEST(DropIn, KeepsAdamWsRateAndDecayInBothHalves) {
  const Roles model;
  const MuonWithAuxAdam optimizer(*model, muon::drop_in(AdamWOptions(3e-4).weight_decay(0.1)));
  EXPECT_EQ(muon_of(optimizer, "body.weight"), MuonOptions(3e-4)
                                                   .weight_decay(0.1)
                                                   .adjust_lr_fn(muon::AdjustLr::match_rms_adamw)
                                                   .method(muon::Method::automatic));
  for (const char* name : {"embed.weight", "body.bias", "norm.weight", "head.weight"})
    EXPECT_EQ(adamw_of(optimizer, name), AdamWOptions(3e-4).weight_decay(0.1)) << name;
}

/// The largest singular value of a first step's factor is near 1, so its mean square is known.
TEST(DropIn, MakesUpdatesOfTheSizeThatWasAskedFor) {
  torch::manual_seed(0);
  const nn::Linear layer(nn::LinearOptions(60, 40).bias(false));
  const torch::Tensor before = layer->weight.detach().clone();
  MuonWithAuxAdam optimizer(muon::make_plan(
      *layer,
      {muon::otherwise().use(muon::drop_in(AdamWOptions(1e-3).weight_decay(0), 0.18).muon)}));
  layer->weight.mutable_grad() = torch::randn_like(layer->weight);
  optimizer.step();
  const double size = (layer->weight - before).pow(2).mean().sqrt().item<double>();
  EXPECT_NEAR(size, 1e-3 * 0.18, 0.021 * 1e-3 * 0.18);  // singular values within dwh2's 0.021 of 1
}

// Numbers are learning rates and nothing else; a number in the place of options does not compile.
static_assert(!std::is_convertible_v<double, muon::Recipe::MuonHalf>);
static_assert(!std::is_convertible_v<double, muon::Recipe::AdamWHalf>);
static_assert(!std::is_convertible_v<double, std::optional<muon::Recipe::AdamWHalf>>);
static_assert(std::is_convertible_v<AdamWOptions, std::optional<muon::Recipe::AdamWHalf>>);
static_assert(std::is_constructible_v<MuonWithAuxAdam, const nn::Module&, double, double>);
static_assert(
    !std::is_constructible_v<MuonWithAuxAdam, const nn::Module&, double, const AdamWOptions&>);
static_assert(
    !std::is_constructible_v<MuonWithAuxAdam, const nn::Module&, const MuonOptions&, double>);

TEST(Recipe, TwoNumbersAreTwoRates) {
  const Roles model;
  const MuonWithAuxAdam two(*model, 0.04, 3e-3), named(*model, {.lr = 0.04, .adamw_lr = 3e-3});
  for (const MuonWithAuxAdam* optimizer : {&two, &named}) {
    EXPECT_EQ(muon_of(*optimizer, "body.weight"), muon::default_muon(0.04));
    for (const char* name : {"embed.weight", "norm.weight", "head.weight"})
      EXPECT_EQ(adamw_of(*optimizer, name), muon::keller_jordan_adam(3e-3)) << name;
  }
}

TEST(Recipe, IsTheOneLineWhereItIsOpen) {
  const Roles model;
  const MuonWithAuxAdam open(*model, muon::Recipe{}), line(*model);
  for (const MuonWithAuxAdam* optimizer : {&open, &line}) {
    EXPECT_EQ(muon_of(*optimizer, "body.weight"), muon::default_muon());
    EXPECT_EQ(adamw_of(*optimizer, "head.weight"), muon::default_adamw());
    EXPECT_EQ(optimizer->param_groups().size(), 2u);
  }
}

TEST(Recipe, HasARateForEachRole) {
  const Roles model;
  const MuonWithAuxAdam optimizer(*model, {.muon = muon::default_muon(0.025).weight_decay(0.05),
                                           .embedding_lr = 0.7,
                                           .head_lr = 4e-3,
                                           .vector_lr = 0.015});
  EXPECT_EQ(muon_of(optimizer, "body.weight"), muon::default_muon(0.025).weight_decay(0.05));
  EXPECT_EQ(adamw_of(optimizer, "embed.weight"), muon::keller_jordan_adam(0.7));
  EXPECT_EQ(adamw_of(optimizer, "head.weight"), muon::keller_jordan_adam(4e-3));
  for (const char* name : {"norm.weight", "norm.bias", "body.bias", "head.bias"})
    EXPECT_EQ(adamw_of(optimizer, name), muon::keller_jordan_adam(0.015)) << name;
}

TEST(Recipe, HasOptionsForEachRoleWhoseRateMayBeAnother) {
  const Roles model;
  const auto decaying = [](double lr) { return AdamWOptions(lr).weight_decay(0.1); };
  const MuonWithAuxAdam optimizer(*model, {.adamw = decaying(1e-3),
                                           .head = decaying(2e-3).eps(1e-6),
                                           .vectors = decaying(1e-2).weight_decay(0),
                                           .adamw_lr = 5e-4,
                                           .vector_lr = 3e-2});
  EXPECT_EQ(adamw_of(optimizer, "embed.weight"), decaying(5e-4));
  EXPECT_EQ(adamw_of(optimizer, "head.weight"), decaying(2e-3).eps(1e-6));
  EXPECT_EQ(adamw_of(optimizer, "norm.weight"), decaying(3e-2).weight_decay(0));
}

TEST(Recipe, BadRatesAreRefusedWithThePartTheyAreFor) {
  const Roles model;
  const auto refusal = [&](const muon::Recipe& recipe) {
    return message_of<std::invalid_argument>([&] { MuonWithAuxAdam(*model, recipe); });
  };
  expect_mentions(refusal({.lr = -1}), {"other matrices", "lr", "-1"});
  expect_mentions(refusal({.embedding_lr = -2}), {"embedding", "lr", "-2"});
  expect_mentions(refusal({.head_lr = -3}), {"output head", "lr", "-3"});
  expect_mentions(refusal({.vector_lr = -4}), {"gain, bias or vector", "lr", "-4"});
}

TEST(Recipe, LeavesTheFirstConvolutionToAdamWOnRequest) {
  nn::Sequential model(nn::Conv2d(nn::Conv2dOptions(3, 8, 3).bias(false)), nn::ReLU(),
                       nn::Conv2d(nn::Conv2dOptions(8, 8, 3).bias(false)), nn::Flatten(),
                       nn::Linear(nn::LinearOptions(8, 2).bias(false)));
  const muon::Recipe recipe{.adamw_lr = 1e-3, .first_convolution_to_adamw = true};
  const MuonWithAuxAdam left(*model, recipe), taken(*model);
  EXPECT_EQ(adamw_of(left, "0.weight"), muon::keller_jordan_adam(1e-3));
  EXPECT_EQ(muon_of(left, "2.weight"), muon::default_muon());
  EXPECT_EQ(muon_of(taken, "0.weight"), muon::default_muon());
}

TEST(Recipe, MayFollowRulesOfOnesOwn) {
  const Roles model;
  const auto own = muon::by_name("body.weight").use(AdamWOptions(0.5));
  const muon::Plan plan =
      muon::make_plan(*model, muon::with_default_rules({own}, {.embedding_lr = 0.25}));
  const MuonWithAuxAdam optimizer(plan);
  EXPECT_EQ(adamw_of(optimizer, "body.weight"), AdamWOptions(0.5));
  EXPECT_EQ(adamw_of(optimizer, "embed.weight"), muon::keller_jordan_adam(0.25));
}

TEST(DropIn, RefusesAScaleThatIsNone) {
  const Roles model;
  for (const double bad : {0.0, -1.0}) {
    expect_mentions(message_of<std::invalid_argument>(
                        [&] { MuonWithAuxAdam(*model, muon::drop_in(AdamWOptions(1e-3), bad)); }),
                    {"match_rms_scale", "above 0"});
  }
}

}  // namespace
