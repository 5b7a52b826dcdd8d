// GroupedOptimizer, Muon and MuonWithAuxAdam: what LibTorch's users expect of an optimizer, and bad
// input.
//
// Tolerances
//   float64   1e-12   relative to the largest entry: the same operations in another order, 1e-16
//             each, some steps
//   float32   2e-5    as in the golden tests: 6e-8 amplified by the polynomial's slope, 485
//   bfloat16  2^-7    one rounding of the parameter, 2^-8 of its size, for each of the two
//             operations that write it
#include "support/errors.hpp"
#include "support/state_of.hpp"
#include "support/tensors.hpp"

#include <muon/muon.hpp>

#include <gtest/gtest.h>
#include <torch/torch.h>
#if __has_include(<torch/optim/schedulers/reduce_on_plateau_scheduler.h>)
#include <torch/optim/schedulers/reduce_on_plateau_scheduler.h>
#define MUON_TEST_HAS_PLATEAU 1
#endif

#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace {

namespace nn = torch::nn;
using muon::MuonOptions;
using torch::optim::AdamWOptions;
using Group = torch::optim::OptimizerParamGroup;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

torch::Tensor parameter(at::IntArrayRef shape, torch::ScalarType type = torch::kFloat32) {
  return torch::randn(shape, type).requires_grad_();
}

Group muon_group(Tensors parameters, const MuonOptions& options = MuonOptions(0.02)) {
  return {std::move(parameters), std::make_unique<MuonOptions>(options)};
}

Group adamw_group(Tensors parameters, const AdamWOptions& options = AdamWOptions(1e-3)) {
  return {std::move(parameters), std::make_unique<AdamWOptions>(options)};
}

class OptimizerTest : public testing::Test {
 protected:
  void SetUp() override { torch::manual_seed(0); }
};
using MuonTest = OptimizerTest;
using MuonWithAuxAdamTest = OptimizerTest;
using BadInput = OptimizerTest;

// ---- what users of torch::optim expect ----

TEST_F(MuonWithAuxAdamTest, LearnsXor) {
  nn::Sequential model(nn::Linear(2, 8), nn::Sigmoid(), nn::Linear(8, 1));
  // two inputs are too few for the built-in rules
  muon::MuonWithAuxAdam optimizer(
      muon::make_plan(*model, {muon::by_name("0.weight").use(muon::keller_jordan_muon(0.05)),
                               muon::otherwise().use(muon::keller_jordan_adam(0.05))}));
  double running_loss = 1;
  for (int epoch = 0; epoch < 3000 && running_loss >= 0.1; ++epoch) {
    const torch::Tensor bits = torch::randint(2, {200, 2}).to(torch::kFloat32);
    const torch::Tensor differ =
        (bits.select(1, 0) != bits.select(1, 1)).to(torch::kFloat32).unsqueeze(1);
    optimizer.zero_grad();
    const torch::Tensor loss =
        nn::functional::binary_cross_entropy_with_logits(model->forward(bits), differ);
    loss.backward();
    optimizer.step();
    running_loss = 0.99 * running_loss + 0.01 * loss.item<double>();
  }
  EXPECT_LT(running_loss, 0.1);
}

TEST_F(OptimizerTest, ZeroGradMakesGradientsUndefined) {
  const Tensors p{parameter({3, 2}), parameter({3, 2})};
  muon::Muon optimizer(p);
  set_gradient(p[0], torch::ones({3, 2}));
  optimizer.zero_grad();
  EXPECT_FALSE(p[0].grad().defined());
  EXPECT_FALSE(p[1].grad().defined());
}

TEST_F(OptimizerTest, ZeroGradCanKeepGradientsAsZeros) {
  const Tensors p{parameter({3, 2}), parameter({3, 2})};
  muon::Muon optimizer(p);
  const torch::Tensor gradient = torch::ones({3, 2});
  set_gradient(p[0], gradient);
  optimizer.zero_grad(/*set_to_none=*/false);
  EXPECT_TRUE(torch::equal(p[0].grad(), torch::zeros({3, 2})));
  EXPECT_EQ(p[0].grad().data_ptr(), gradient.data_ptr());
  EXPECT_FALSE(p[1].grad().defined());
}

TEST_F(OptimizerTest, UpdatesAVectorOfParametersHeldOutside) {
  Tensors weights{parameter({4, 3}), parameter({3, 4})};
  const Tensors before = copies(weights);
  muon::Muon optimizer(weights, MuonOptions(0.1));
  EXPECT_EQ(optimizer.param_groups().at(0).params().size(), 2u);
  torch::matmul(weights[0], weights[1]).sum().backward();
  optimizer.step();
  for (std::size_t i = 0; i < weights.size(); ++i)
    EXPECT_FALSE(torch::equal(weights[i], before[i]));
}

TEST_F(OptimizerTest, AParameterWithoutGradientStaysAsItIs) {
  const Tensors p{parameter({4, 3}), parameter({4, 3}), parameter({4}), parameter({4})};
  const Tensors before = copies(p);
  muon::MuonWithAuxAdam optimizer({muon_group({p[0], p[1]}, MuonOptions(0.1).weight_decay(0.5)),
                                   adamw_group({p[2], p[3]}, AdamWOptions(0.1).weight_decay(0.5))});
  for (int step = 0; step < 3; ++step) {
    random_gradients({p[0], p[2]});
    optimizer.step();
  }
  expect_same({p[1], p[3]}, {before[1], before[3]});
  EXPECT_FALSE(torch::equal(p[0], before[0]));
  EXPECT_FALSE(torch::equal(p[2], before[2]));
  EXPECT_EQ(optimizer.state().size(), 2u);
}

TEST_F(OptimizerTest, AParameterThatLosesItsGradientStopsMoving) {
  const Tensors p{parameter({4, 3})};
  muon::Muon optimizer(p);
  random_gradients(p);
  optimizer.step();
  const Tensors before = copies(p);
  optimizer.zero_grad();
  optimizer.step();
  expect_same(p, before);
}

TEST_F(OptimizerTest, ZeroGradientsOnlyDecay) {
  const Tensors p{parameter({4, 3}, torch::kFloat64), parameter({4}, torch::kFloat64)};
  const Tensors before = copies(p);
  muon::MuonWithAuxAdam optimizer({muon_group({p[0]}, MuonOptions(0.1).weight_decay(0.5)),
                                   adamw_group({p[1]}, AdamWOptions(0.2).weight_decay(0.5))});
  for (const torch::Tensor& one : p) set_gradient(one, torch::zeros_like(one));
  optimizer.step();
  expect_close(p[0], before[0] * 0.95, 1e-12);
  expect_close(p[1], before[1] * 0.9, 1e-12);
}

TEST_F(OptimizerTest, StepCallsTheClosureWithGradientsAndReturnsItsLoss) {
  const Tensors p{parameter({4, 3})};
  const Tensors before = copies(p);
  muon::Muon optimizer(p);
  const torch::NoGradGuard no_grad;
  const torch::Tensor loss = optimizer.step([&] {
    EXPECT_TRUE(torch::GradMode::is_enabled());
    torch::Tensor squares = p[0].pow(2).sum();
    squares.backward();
    return squares;
  });
  EXPECT_FALSE(torch::GradMode::is_enabled());
  EXPECT_EQ(loss.item<float>(), before[0].pow(2).sum().item<float>());
  EXPECT_FALSE(torch::equal(p[0], before[0]));
  EXPECT_FALSE(optimizer.step().defined());
}

TEST_F(OptimizerTest, GradientsAreReadOnly) {
  const Tensors p{parameter({4, 3}), parameter({2, 3, 2, 2}), parameter({4})};
  const auto views =
      std::vector<muon::MatrixView>{muon::MatrixView::matrix(), muon::MatrixView::flatten()};
  for (const bool nesterov : {true, false}) {
    muon::ParamGroup matrices({p[0], p[1]}, MuonOptions().nesterov(nesterov));
    matrices.views = views;
    muon::MuonWithAuxAdam optimizer({matrices, adamw_group({p[2]})});
    for (int step = 0; step < 2; ++step) {
      random_gradients(p);
      const Tensors gradients{p[0].grad(), p[1].grad(), p[2].grad()};
      const Tensors before = copies(gradients);
      optimizer.step();
      expect_same(gradients, before);
      for (std::size_t i = 0; i < p.size(); ++i) EXPECT_TRUE(p[i].grad().is_same(gradients[i]));
    }
  }
}

TEST_F(OptimizerTest, TiedWeightsAreUpdatedOnce) {
  nn::Linear shared(nn::LinearOptions(4, 4).bias(false));
  nn::Module model;
  model.register_module("first", shared);
  model.register_module("second", shared);
  model.register_module("head", nn::Linear(4, 2));
  const Tensors alone = copies({shared->weight});
  muon::MuonWithAuxAdam optimizer(model, 0.1);
  muon::Muon reference(alone, muon::default_muon(0.1));
  random_gradients({shared->weight});
  set_gradient(alone[0], shared->weight.grad());
  optimizer.step();
  reference.step();
  expect_same({shared->weight}, alone);
}

TEST_F(OptimizerTest, StepLrSchedulesEveryKindOfGroup) {
  muon::MuonWithAuxAdam optimizer({muon_group({parameter({2, 2})}, MuonOptions(0.4)),
                                   adamw_group({parameter({2})}, AdamWOptions(0.008))});
  torch::optim::StepLR scheduler(optimizer, /*step_size=*/2, /*gamma=*/0.5);
  // LibTorch counts a step after it has set the rates, so its table is one step behind Python's
  for (const double factor : {1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.125}) {
    EXPECT_DOUBLE_EQ(optimizer.param_groups()[0].options().get_lr(), 0.4 * factor);
    EXPECT_DOUBLE_EQ(optimizer.param_groups()[1].options().get_lr(), 0.008 * factor);
    optimizer.step();
    scheduler.step();
  }
}

#ifdef MUON_TEST_HAS_PLATEAU
TEST_F(OptimizerTest, ReduceLrOnPlateauSchedulesEveryKindOfGroup) {
  muon::MuonWithAuxAdam optimizer({muon_group({parameter({2, 2})}, MuonOptions(0.4)),
                                   adamw_group({parameter({2})}, AdamWOptions(0.008))});
  torch::optim::ReduceLROnPlateauScheduler scheduler(
      optimizer, torch::optim::ReduceLROnPlateauScheduler::min, /*factor=*/0.5f,
      /*patience=*/1);
  // the second epoch without progress is one too many
  for (const float metric : {1.0f, 1.0f, 1.0f}) scheduler.step(metric);
  EXPECT_DOUBLE_EQ(optimizer.param_groups()[0].options().get_lr(), 0.2);
  EXPECT_DOUBLE_EQ(optimizer.param_groups()[1].options().get_lr(), 0.004);
}
#endif

TEST_F(MuonTest, GroupsWithoutOptionsGetTheDefaultsWhole) {
  const muon::Muon with_defaults(
      {Group({parameter({2, 2})}), muon_group({parameter({2, 2})}, MuonOptions(0.5))},
      MuonOptions(0.3).momentum(0.7));
  const auto& groups = with_defaults.param_groups();
  EXPECT_EQ(static_cast<const MuonOptions&>(groups[0].options()), MuonOptions(0.3).momentum(0.7));
  EXPECT_EQ(static_cast<const MuonOptions&>(groups[1].options()), MuonOptions(0.5));
}

TEST_F(OptimizerTest, AddParamGroupAddsParametersOfEitherKind) {
  const Tensors p{parameter({2, 2}), parameter({3, 2}), parameter({3})};
  const Tensors before = copies(p);
  muon::MuonWithAuxAdam optimizer(std::vector<Group>{muon_group({p[0]})});
  optimizer.add_param_group(muon_group({p[1]}, MuonOptions(0.3)));
  optimizer.add_param_group(adamw_group({p[2]}, AdamWOptions(0.4)));
  EXPECT_EQ(optimizer.param_groups().at(1).options().get_lr(), 0.3);
  EXPECT_EQ(optimizer.param_groups().at(2).options().get_lr(), 0.4);
  random_gradients(p);
  optimizer.step();
  for (std::size_t i = 0; i < p.size(); ++i) EXPECT_FALSE(torch::equal(p[i], before[i])) << i;
}

TEST_F(OptimizerTest, ARefusedGroupChangesNothing) {
  const torch::Tensor kept = parameter({3, 3}), fresh = parameter({3, 3});
  muon::MuonWithAuxAdam optimizer(std::vector<Group>{muon_group({kept})});
  random_gradients({kept});
  optimizer.step();
  const std::vector<Group> refused{muon_group({fresh, parameter({3})}),
                                   muon_group({fresh, kept}),
                                   muon_group({fresh, fresh}),
                                   muon_group({fresh, torch::Tensor()}),
                                   muon_group({fresh}, MuonOptions(-1)),
                                   adamw_group({fresh}, AdamWOptions(nan)),
                                   Group({fresh})};
  for (const Group& group : refused) {
    const torch::Tensor before = kept.detach().clone(),
                        momentum = momentum_of(optimizer, kept).clone();
    EXPECT_THROW(optimizer.add_param_group(group), std::invalid_argument);
    EXPECT_EQ(optimizer.param_groups().size(), 1u);
    expect_same({kept.detach(), momentum_of(optimizer, kept)}, {before, momentum});
    EXPECT_NO_THROW(optimizer.step());
  }
  optimizer.add_param_group(muon_group({fresh}));  // none of the attempts took it
  EXPECT_EQ(optimizer.param_groups().size(), 2u);
}

// ---- the same numbers as elsewhere ----

class AdamWGroup : public testing::TestWithParam<bool> {};

TEST_P(AdamWGroup, FollowsTorchAdamW) {
  torch::manual_seed(1);
  const Tensors ours{parameter({3, 4}, torch::kFloat64), parameter({5}, torch::kFloat64)};
  const Tensors theirs = copies(ours);
  const auto options = AdamWOptions(0.03)
                           .betas(std::make_tuple(0.8, 0.95))
                           .eps(1e-6)
                           .weight_decay(0.2)
                           .amsgrad(GetParam());
  muon::MuonWithAuxAdam optimizer(std::vector<Group>{adamw_group(ours, options)});
  torch::optim::AdamW reference(theirs, options);
  for (int step = 0; step < 20; ++step) {
    const double size = step < 5 ? 10 : 0.1;  // falling, so that amsgrad's maximum matters
    for (std::size_t i = 0; i < ours.size(); ++i) {
      set_gradient(ours[i], size * torch::randn_like(ours[i]));
      set_gradient(theirs[i], ours[i].grad().clone());
    }
    optimizer.step();
    reference.step();
    for (std::size_t i = 0; i < ours.size(); ++i) expect_close(ours[i], theirs[i], 1e-12);
  }
}

INSTANTIATE_TEST_SUITE_P(Amsgrad, AdamWGroup, testing::Bool());

TEST_F(OptimizerTest, TwoOptimizersSideBySideAreTheMixedOne) {
  nn::Sequential mixed_model(nn::Conv2d(2, 4, 3), nn::Flatten(), nn::Linear(16, 6),
                             nn::LayerNorm(nn::LayerNormOptions({6})), nn::Linear(6, 3));
  mixed_model->to(torch::kFloat64);
  const auto twin = std::dynamic_pointer_cast<nn::SequentialImpl>(mixed_model->clone());
  const muon::Plan plan = muon::make_plan(*twin);
  muon::MuonWithAuxAdam mixed(muon::make_plan(*mixed_model));
  muon::Muon muon(plan);
  torch::optim::AdamW adamw(plan.adamw_groups());
  ASSERT_FALSE(muon.param_groups().empty());
  ASSERT_FALSE(adamw.param_groups().empty());
  for (int step = 0; step < 5; ++step) {
    const auto left = mixed_model->parameters(), right = twin->parameters();
    for (std::size_t i = 0; i < left.size(); ++i) {
      set_gradient(left[i], torch::randn_like(left[i]));
      set_gradient(right[i], left[i].grad().clone());
    }
    mixed.step();
    muon.step();
    adamw.step();
    for (std::size_t i = 0; i < left.size(); ++i) expect_close(left[i], right[i], 1e-12);
  }
}

TEST_F(OptimizerTest, FollowsAModelToAnotherType) {
  nn::Linear stays(4, 3), moves(4, 3);
  {
    const torch::NoGradGuard no_grad;
    moves->weight.copy_(stays->weight);
    moves->bias.copy_(stays->bias);
  }
  const auto groups = [](const nn::Linear& fc) {
    return std::vector<Group>{muon_group({fc->weight}), adamw_group({fc->bias})};
  };
  muon::MuonWithAuxAdam one(groups(stays)), other(groups(moves));
  for (int step = 0; step < 4; ++step) {
    if (step == 2) moves->to(torch::kFloat64);
    const auto left = stays->parameters(), right = moves->parameters();
    for (std::size_t i = 0; i < left.size(); ++i) {
      set_gradient(left[i], torch::randn_like(left[i]));
      set_gradient(right[i], left[i].grad().to(right[i].scalar_type()));
    }
    one.step();
    other.step();
    for (std::size_t i = 0; i < left.size(); ++i) expect_close(left[i], right[i], 2e-5);
  }
  EXPECT_EQ(moves->weight.scalar_type(), torch::kFloat64);
}

TEST_F(OptimizerTest, TrainsBfloat16Parameters) {
  const Tensors half{parameter({6, 4}, torch::kBFloat16), parameter({6}, torch::kBFloat16)};
  Tensors wide;
  for (const torch::Tensor& p : half)
    wide.push_back(p.detach().to(torch::kFloat32).requires_grad_());
  const auto groups = [](const Tensors& p) {
    return std::vector<Group>{muon_group({p[0]}), adamw_group({p[1]}, AdamWOptions(0.02))};
  };
  muon::MuonWithAuxAdam optimizer(groups(half)), reference(groups(wide));
  for (std::size_t i = 0; i < half.size(); ++i) {
    set_gradient(half[i], torch::randn_like(half[i]));
    set_gradient(wide[i], half[i].grad().to(torch::kFloat32));
  }
  optimizer.step();
  reference.step();
  for (std::size_t i = 0; i < half.size(); ++i) {
    EXPECT_EQ(half[i].scalar_type(), torch::kBFloat16);
    expect_close(half[i], wide[i], 1.0 / 128);
  }
}

// ---- bad input ----

TEST_F(BadInput, ParametersThatAreNoMatricesOfRealNumbersAreNamedAndRefused) {
  struct Case {
    torch::Tensor tensor;
    std::vector<std::string> words;
  };
  const std::vector<Case> cases{
      {parameter({4}), {"[4]", "AdamW", "MuonWithAuxAdam"}},
      {parameter({}), {"[]", "AdamW"}},
      {parameter({0, 4}), {"[0, 4]", "no entries"}},
      {parameter({2, 3, 4}), {"flatten()", "stack()"}},
      {torch::randn({2, 2}, torch::kComplexFloat), {"Complex"}},
      {torch::ones({2, 2}, torch::kLong), {"Long"}},
      {parameter({2, 2}) * 2, {"leaf"}},
      {torch::eye(2).to_sparse(), {"sparse"}},
      {torch::Tensor(), {"undefined"}},
  };
  for (const Case& one : cases) {
    const std::string text = message_of<std::invalid_argument>([&] {
      muon::Muon(Tensors{parameter({2, 2}), one.tensor});
    });
    expect_mentions(text, {"[Muon]", "parameter 1 of group 0"});
    expect_mentions(text, one.words);
  }
}

TEST_F(BadInput, NamedParametersAreCalledByName) {
  nn::Sequential model(nn::Linear(2, 3));
  expect_mentions(message_of<std::invalid_argument>([&] { muon::Muon(model->named_parameters()); }),
                  {"'0.bias'", "[3]"});
}

TEST_F(BadInput, AParameterTwiceIsRefused) {
  const torch::Tensor p = parameter({2, 2});
  const auto twice = [](const std::vector<Group>& groups) {
    return message_of<std::invalid_argument>([&] { muon::MuonWithAuxAdam optimizer(groups); });
  };
  expect_mentions(twice({muon_group({p, p})}), {"parameter 1 of group 0", "twice"});
  expect_mentions(twice({muon_group({p}), adamw_group({p})}),
                  {"parameter 0 of group 1", "two groups"});
}

TEST_F(BadInput, OptionsOfAnotherAlgorithmAreRefused) {
  const torch::Tensor p = parameter({2, 2});
  expect_mentions(
      message_of<std::invalid_argument>([&] { muon::Muon(std::vector<Group>{adamw_group({p})}); }),
      {"[Muon", "group 0", "AdamW", "MuonWithAuxAdam"});
  const Group sgd({p}, std::make_unique<torch::optim::SGDOptions>(0.1));
  expect_mentions(message_of<std::invalid_argument>([&] { muon::Muon(std::vector<Group>{sgd}); }),
                  {"unknown", "MuonOptions"});
  expect_mentions(
      message_of<std::invalid_argument>([&] { muon::MuonWithAuxAdam(std::vector<Group>{sgd}); }),
      {"[MuonWithAuxAdam", "unknown", "MuonOptions", "AdamWOptions"});
  expect_mentions(message_of<std::invalid_argument>(
                      [&] { muon::MuonWithAuxAdam(std::vector<Group>{Group({p})}); }),
                  {"group 0", "no options"});
}

TEST_F(BadInput, ViewsThatDoNotFitTheirParametersAreRefused) {
  using muon::MatrixView;
  const Tensors p{parameter({2, 2}), parameter({4, 2}), parameter({6, 2})};
  const auto with = [&](std::vector<MatrixView> views) {
    muon::ParamGroup group{p};
    group.views = std::move(views);
    return message_of<std::invalid_argument>([&] { muon::Muon optimizer({group}); });
  };
  expect_mentions(with({MatrixView::matrix(), MatrixView::matrix()}), {"2 views", "3 parameters"});
  expect_mentions(with({MatrixView::matrix().chunk_rows(4)}),
                  {"parameter 0 of group 0", "chunk_rows(4)"});
}

TEST_F(BadInput, GradientsThatCannotBeUsedAreNamedAndNothingChanges) {
  nn::Module model;
  nn::Linear fc(nn::LinearOptions(3, 3).bias(false));
  nn::Embedding embed(nn::EmbeddingOptions(5, 3).sparse(true));
  model.register_module("fc", fc);
  model.register_module("embed", embed);
  muon::MuonWithAuxAdam optimizer(muon::make_plan(
      model, {muon::by_name("fc*").use(MuonOptions()), muon::otherwise().use(AdamWOptions())}));
  random_gradients({fc->weight});
  const Tensors before = copies({fc->weight, embed->weight});
  embed->forward(torch::tensor({1, 2})).sum().backward();
  ASSERT_TRUE(embed->weight.grad().is_sparse());
  expect_mentions(message_of<std::runtime_error>([&] { optimizer.step(); }),
                  {"'embed.weight'", "sparse"});
  set_gradient(embed->weight, torch::ones({5, 3}, torch::kComplexFloat));
  expect_mentions(message_of<std::runtime_error>([&] { optimizer.step(); }),
                  {"'embed.weight'", "Complex"});
  expect_same({fc->weight, embed->weight}, before);
  EXPECT_TRUE(optimizer.state().empty());
}

class NonFinite : public testing::TestWithParam<double> {};

TEST_P(NonFinite, GradientIsFoundWhereverItIs) {
  for (const auto type : {torch::kFloat32, torch::kFloat64, torch::kBFloat16}) {
    const torch::Tensor p = parameter({7, 11}, type);
    muon::Muon optimizer(Tensors{p});
    for (std::int64_t place = 0; place < p.numel(); ++place) {
      set_gradient(p, torch::randn_like(p));
      p.grad().view(-1)[place] = GetParam();
      EXPECT_THROW(optimizer.step(), std::runtime_error) << "entry " << place << " of " << type;
    }
    EXPECT_TRUE(optimizer.state().empty());
  }
}

TEST_P(NonFinite, GradientIsAnErrorBeforeAnythingChanges) {
  const Tensors p{parameter({3, 3}), parameter({3, 3}), parameter({3})};
  muon::MuonWithAuxAdam optimizer({muon_group({p[0], p[1]}), adamw_group({p[2]})});
  random_gradients({p[0]});
  optimizer.step();
  random_gradients(p);
  p[1].grad()[0][0] = GetParam();
  p[2].grad()[2] = GetParam();
  const Tensors before = copies(p);
  const torch::Tensor momentum = momentum_of(optimizer, p[0]).clone();
  expect_mentions(message_of<std::runtime_error>([&] { optimizer.step(); }),
                  {"parameter 1 of group 0", "parameter 0 of group 1"});
  expect_same(p, before);
  expect_same({momentum_of(optimizer, p[0])}, {momentum});
  EXPECT_EQ(optimizer.state().size(), 1u);
}

TEST_P(NonFinite, GradientCanBeSkippedAndCounted) {
  const Tensors p{parameter({3, 3}), parameter({3})};
  const Tensors before = copies(p);
  muon::MuonWithAuxAdam optimizer({muon_group({p[0]}), adamw_group({p[1]})});
  optimizer.on_nonfinite_gradient(muon::NonFiniteGradient::skip_step);
  random_gradients(p);
  p[1].grad()[1] = GetParam();
  optimizer.step();
  optimizer.step();
  EXPECT_EQ(optimizer.skipped_steps(), 2);
  expect_same(p, before);
  random_gradients(p);
  optimizer.step();
  EXPECT_EQ(optimizer.skipped_steps(), 2);
  EXPECT_FALSE(torch::equal(p[0], before[0]));
}

INSTANTIATE_TEST_SUITE_P(Values, NonFinite, testing::Values(nan, infinity, -infinity));

TEST_F(BadInput, NonFiniteGradientsPassOnRequest) {
  const Tensors p{parameter({3, 3})};
  muon::Muon optimizer(p);
  optimizer.on_nonfinite_gradient(muon::NonFiniteGradient::ignore);
  set_gradient(p[0], torch::full({3, 3}, nan));
  optimizer.step();
  EXPECT_TRUE(p[0].isnan().all().item<bool>());
}

TEST_F(BadInput, OptionsSetLaterAreCheckedAtTheStep) {
  const Tensors p{parameter({3, 3}), parameter({3})};
  muon::MuonWithAuxAdam optimizer({muon_group({p[0]}), adamw_group({p[1]})});
  random_gradients(p);
  const Tensors before = copies(p);
  for (const std::size_t group : {0u, 1u}) {
    auto& options = optimizer.param_groups()[group].options();
    const double lr = options.get_lr();
    for (const double bad : {nan, infinity, -1.0}) {
      options.set_lr(bad);
      expect_mentions(message_of<std::invalid_argument>([&] { optimizer.step(); }),
                      {"group " + std::to_string(group), "lr"});
    }
    options.set_lr(lr);
  }
  static_cast<MuonOptions&>(optimizer.param_groups()[0].options()).momentum(1);
  expect_mentions(message_of<std::invalid_argument>([&] { optimizer.step(); }),
                  {"group 0", "momentum"});
  expect_same(p, before);
  EXPECT_TRUE(optimizer.state().empty());
}

TEST_F(BadInput, AGroupThatNoLongerFitsIsFoundBeforeAnythingChanges) {
  const auto changed = [](const std::string& what,
                          const std::function<void(muon::MuonWithAuxAdam&)>& change) {
    SCOPED_TRACE(what);
    const Tensors p{parameter({3, 3}), parameter({4, 3}), parameter({3})};
    muon::MuonWithAuxAdam optimizer({muon_group({p[0]}), muon_group({p[1]}), adamw_group({p[2]})});
    random_gradients(p);
    const Tensors before = copies(p);
    change(optimizer);
    EXPECT_ANY_THROW(optimizer.step());
    expect_same({p[0], p[2]}, {before[0], before[2]});
    EXPECT_TRUE(optimizer.state().empty());
  };
  changed("a parameter that its view no longer fits", [](auto& o) {
    torch::Tensor p = o.param_groups()[1].params()[0];
    p.set_data(torch::ones({4}));
    set_gradient(p, torch::ones({4}));
  });
  changed("a vector under Muon",
          [](auto& o) { o.param_groups()[2].set_options(std::make_unique<MuonOptions>()); });
}

TEST_F(BadInput, GroupsChangedBehindTheOptimizerAreFound) {
  const auto changed = [](const std::function<void(muon::MuonWithAuxAdam&)>& change) {
    const Tensors p{parameter({3, 3})};
    muon::MuonWithAuxAdam optimizer(std::vector<Group>{muon_group(p)});
    random_gradients(p);
    const Tensors before = copies(p);
    change(optimizer);
    expect_mentions(message_of<std::runtime_error>([&] { optimizer.step(); }),
                    {"[MuonWithAuxAdam]", "add_param_group"});
    expect_same(p, before);
  };
  changed([](auto& o) {
    static_cast<torch::optim::Optimizer&>(o).add_param_group(muon_group({parameter({2, 2})}));
  });
  changed([](auto& o) { o.param_groups().push_back(muon_group({parameter({2, 2})})); });
  changed([](auto& o) { o.param_groups()[0].params().push_back(parameter({2, 2})); });
  changed([](auto& o) { o.param_groups().clear(); });
}

TEST_F(BadInput, AGradientThatDoesNotFitItsParameterIsRefused) {
  const Tensors p{parameter({4, 4}), parameter({4})};
  muon::MuonWithAuxAdam optimizer({muon_group({p[0]}), adamw_group({p[1]})});
  random_gradients(p);
  set_gradient(p[0], torch::ones({4, 4}));
  // grown behind autograd's back; the gradient has the old shape
  p[0].set_data(torch::ones({6, 4}));
  const Tensors before = copies(p);
  expect_mentions(message_of<std::runtime_error>([&] { optimizer.step(); }),
                  {"parameter 0 of group 0", "[4, 4]", "[6, 4]"});
  expect_same(p, before);
  EXPECT_TRUE(optimizer.state().empty());
}

TEST_F(BadInput, AParameterGrownAfterAStepIsRefused) {
  const Tensors p{parameter({4, 4}), parameter({4, 4})};
  muon::Muon optimizer(p, 0.02);
  random_gradients(p);
  optimizer.step();
  optimizer.zero_grad();
  p[1].set_data(torch::ones({6, 4}));
  random_gradients(p);
  const Tensors before = copies(p);
  expect_mentions(message_of<std::runtime_error>([&] { optimizer.step(); }),
                  {"parameter 1 of group 0", "its state [4, 4]"});
  expect_same(p, before);
}

TEST_F(BadInput, ExpandedParametersAreRefused) {
  const torch::Tensor expanded = torch::ones({1, 4}).expand({4, 4}).requires_grad_();
  expect_mentions(message_of<std::invalid_argument>([&] { muon::Muon o(Tensors{expanded}); }),
                  {"expanded", "contiguous"});
}

TEST(MuonWithAuxAdam, AModelMovedBetweenBackwardAndStepIsStepped) {
  nn::Linear model(3, 3);
  muon::MuonWithAuxAdam optimizer({muon_group({model->weight}), adamw_group({model->bias})});
  for (const auto type : {torch::kFloat64, torch::kBFloat16, torch::kFloat32}) {
    optimizer.zero_grad();
    model->forward(torch::ones({2, 3}, model->weight.scalar_type())).sum().backward();
    model->to(type);
    optimizer.step();
    EXPECT_TRUE(model->weight.isfinite().all().item<bool>());
    EXPECT_EQ(model->bias.scalar_type(), type);
  }
}

}  // namespace
