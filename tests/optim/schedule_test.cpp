// Schedules: values at their boundaries, and LambdaLR on an optimizer with both kinds of group.
#include <muon/muon.hpp>

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <limits>
#include <vector>

namespace {

namespace schedule = muon::schedule;
using muon::MuonOptions;
using torch::optim::AdamWOptions;

muon::MuonWithAuxAdam mixed(double muon_lr, double adamw_lr) {
  std::vector<torch::optim::OptimizerParamGroup> groups;
  groups.emplace_back(std::vector{torch::ones({2, 2}).requires_grad_()},
                      std::make_unique<MuonOptions>(muon_lr));
  groups.emplace_back(std::vector{torch::ones({2}).requires_grad_()},
                      std::make_unique<AdamWOptions>(adamw_lr));
  return muon::MuonWithAuxAdam(groups);
}

double rate(torch::optim::Optimizer& optimizer, std::size_t group) {
  return optimizer.param_groups().at(group).options().get_lr();
}

TEST(Schedule, ConstantIsOne) {
  EXPECT_EQ(schedule::constant(0), 1);
  EXPECT_EQ(schedule::constant(1000000), 1);
}

TEST(Schedule, LinearWarmupReachesOneAtItsLastStep) {
  EXPECT_DOUBLE_EQ(schedule::linear_warmup(0, 4), 0.25);
  EXPECT_DOUBLE_EQ(schedule::linear_warmup(1, 4), 0.5);
  EXPECT_DOUBLE_EQ(schedule::linear_warmup(3, 4), 1);
  EXPECT_DOUBLE_EQ(schedule::linear_warmup(4, 4), 1);
  EXPECT_DOUBLE_EQ(schedule::linear_warmup(100, 4), 1);
  EXPECT_DOUBLE_EQ(schedule::linear_warmup(0, 0), 1);
}

TEST(Schedule, CosineFallsFromOneToItsFinalFactor) {
  EXPECT_DOUBLE_EQ(schedule::cosine(0, 10), 1);
  EXPECT_NEAR(schedule::cosine(5, 10), 0.5, 1e-15);
  EXPECT_NEAR(schedule::cosine(10, 10), 0, 1e-15);
  EXPECT_NEAR(schedule::cosine(11, 10), 0, 1e-15);
  EXPECT_NEAR(schedule::cosine(10, 10, 0, 0.1), 0.1, 1e-15);
  EXPECT_NEAR(schedule::cosine(5, 10, 0, 0.5), 0.75, 1e-15);
}

TEST(Schedule, CosineWarmsUpFirst) {
  EXPECT_DOUBLE_EQ(schedule::cosine(0, 12, 4), 0.25);
  EXPECT_DOUBLE_EQ(schedule::cosine(3, 12, 4), 1);
  EXPECT_DOUBLE_EQ(schedule::cosine(4, 12, 4), 1);
  EXPECT_NEAR(schedule::cosine(8, 12, 4), 0.5, 1e-15);
  EXPECT_NEAR(schedule::cosine(12, 12, 4), 0, 1e-15);
  EXPECT_DOUBLE_EQ(schedule::cosine(3, 4, 4), 1);
}

TEST(Schedule, WarmupStableDecayIsATrapezium) {
  const auto at = [](std::int64_t step) {
    return schedule::warmup_stable_decay(step, 20, 4, 8, 0.5);
  };
  EXPECT_DOUBLE_EQ(at(0), 0.25);
  EXPECT_DOUBLE_EQ(at(3), 1);
  EXPECT_DOUBLE_EQ(at(11), 1);
  EXPECT_DOUBLE_EQ(at(12), 1);
  EXPECT_DOUBLE_EQ(at(16), 0.75);
  EXPECT_DOUBLE_EQ(at(20), 0.5);
  EXPECT_DOUBLE_EQ(at(100), 0.5);
  EXPECT_DOUBLE_EQ(schedule::warmup_stable_decay(20, 20, 0, 20), 0);
  EXPECT_DOUBLE_EQ(schedule::warmup_stable_decay(19, 20, 20, 0), 1);
}

TEST(Schedule, MomentumWarmupIsAValue) {
  EXPECT_DOUBLE_EQ(schedule::momentum_warmup(0), 0.85);
  EXPECT_DOUBLE_EQ(schedule::momentum_warmup(150), 0.9);
  EXPECT_DOUBLE_EQ(schedule::momentum_warmup(300), 0.95);
  EXPECT_DOUBLE_EQ(schedule::momentum_warmup(3000), 0.95);
  EXPECT_DOUBLE_EQ(schedule::momentum_warmup(5, 10, 0.2, 0.4), 0.3);
  EXPECT_DOUBLE_EQ(schedule::momentum_warmup(0, 0), 0.95);
}

TEST(Schedule, FactorsStayBetweenZeroAndOne) {
  for (std::int64_t step = 0; step < 40; ++step) {
    for (const double factor :
         {schedule::linear_warmup(step, 7), schedule::cosine(step, 30, 7, 0.1),
          schedule::warmup_stable_decay(step, 30, 7, 9, 0.1)}) {
      EXPECT_GE(factor, 0) << step;
      EXPECT_LE(factor, 1) << step;
    }
  }
}

TEST(Schedule, RefusesSpansAndFactorsOutOfRange) {
  const double quiet_nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW((void)schedule::constant(-1), std::invalid_argument);
  EXPECT_THROW((void)schedule::linear_warmup(-1, 4), std::invalid_argument);
  EXPECT_THROW((void)schedule::linear_warmup(0, -4), std::invalid_argument);
  EXPECT_THROW((void)schedule::cosine(0, -1), std::invalid_argument);
  EXPECT_THROW((void)schedule::cosine(0, 4, 5), std::invalid_argument);
  EXPECT_THROW((void)schedule::cosine(0, 4, 0, -0.1), std::invalid_argument);
  EXPECT_THROW((void)schedule::cosine(0, 4, 0, 1.1), std::invalid_argument);
  EXPECT_THROW((void)schedule::cosine(0, 4, 0, quiet_nan), std::invalid_argument);
  EXPECT_THROW((void)schedule::warmup_stable_decay(0, 10, 6, 5), std::invalid_argument);
  EXPECT_THROW((void)schedule::warmup_stable_decay(0, 10, 0, -1), std::invalid_argument);
  EXPECT_THROW((void)schedule::warmup_stable_decay(0, 10, 11, 0), std::invalid_argument);
  EXPECT_THROW((void)schedule::warmup_stable_decay(0, 10, 0, 5, quiet_nan), std::invalid_argument);
  EXPECT_THROW((void)schedule::momentum_warmup(-1), std::invalid_argument);
  EXPECT_THROW((void)schedule::momentum_warmup(0, -1), std::invalid_argument);
}

TEST(LambdaLR, ScalesEveryGroupsOwnRate) {
  auto optimizer = mixed(0.4, 0.008);
  muon::LambdaLR scheduler(optimizer,
                           [](std::int64_t step) { return schedule::linear_warmup(step, 4); });
  for (const double factor : {0.25, 0.5, 0.75, 1.0, 1.0}) {
    EXPECT_DOUBLE_EQ(rate(optimizer, 0), 0.4 * factor);
    EXPECT_DOUBLE_EQ(rate(optimizer, 1), 0.008 * factor);
    optimizer.step();
    scheduler.step();
  }
}

TEST(LambdaLR, AsksForEveryStepOnceInOrder) {
  auto optimizer = mixed(1, 1);
  std::vector<std::int64_t> asked;
  muon::LambdaLR scheduler(optimizer, [&](std::int64_t step) {
    asked.push_back(step);
    return 0.0;
  });
  for (int i = 0; i < 3; ++i) scheduler.step();
  EXPECT_EQ(asked, (std::vector<std::int64_t>{0, 1, 2, 3}));
  EXPECT_EQ(rate(optimizer, 0), 0);
}

TEST(LambdaLR, WorksOnLibTorchsOptimizers) {
  torch::optim::SGD optimizer({torch::ones({2}).requires_grad_()}, 0.5);
  muon::LambdaLR scheduler(optimizer, [](std::int64_t step) { return schedule::cosine(step, 2); });
  scheduler.step();
  EXPECT_NEAR(rate(optimizer, 0), 0.25, 1e-15);
}

TEST(LambdaLR, RefusesFactorsThatAreNoRates) {
  auto optimizer = mixed(0.4, 0.008);
  for (const double bad :
       {-0.5, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    EXPECT_THROW(muon::LambdaLR(optimizer, [=](std::int64_t) { return bad; }),
                 std::invalid_argument);
    EXPECT_EQ(rate(optimizer, 0), 0.4);
    muon::LambdaLR later(optimizer, [=](std::int64_t step) { return step == 0 ? 1 : bad; });
    EXPECT_THROW(later.step(), std::invalid_argument);
    EXPECT_EQ(rate(optimizer, 0), 0.4);
  }
  EXPECT_THROW(muon::LambdaLR(optimizer, muon::Schedule()), std::invalid_argument);
}

TEST(SetMomentum, ReachesMuonsGroupsOnly) {
  auto optimizer = mixed(0.4, 0.008);
  muon::set_momentum(optimizer, schedule::momentum_warmup(0));
  EXPECT_EQ(static_cast<MuonOptions&>(optimizer.param_groups()[0].options()).momentum(), 0.85);
  EXPECT_EQ(static_cast<AdamWOptions&>(optimizer.param_groups()[1].options()).betas(),
            AdamWOptions(1).betas());
}

TEST(SetMomentum, RefusesValuesOutOfRange) {
  auto optimizer = mixed(0.4, 0.008);
  for (const double bad : {-0.1, 1.0, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_THROW(muon::set_momentum(optimizer, bad), std::invalid_argument);
  }
  EXPECT_EQ(static_cast<MuonOptions&>(optimizer.param_groups()[0].options()).momentum(), 0.95);
}

TEST(LambdaLR, GroupsThatAreAddedLaterAreScheduled) {
  muon::Muon optimizer(std::vector<torch::Tensor>{torch::randn({2, 2})}, 0.5);
  muon::LambdaLR scheduler(optimizer, [](std::int64_t step) { return step < 2 ? 1.0 : 0.5; });
  scheduler.step();
  optimizer.add_param_group(muon::ParamGroup({torch::randn({2, 2})}, MuonOptions(0.25)));
  scheduler.step();
  EXPECT_EQ(rate(optimizer, 0), 0.25);
  EXPECT_EQ(rate(optimizer, 1), 0.125);
  EXPECT_EQ(scheduler.initial_rates(), (std::vector<double>{0.5, 0.25}));
  scheduler.set_step(0);
  EXPECT_EQ(rate(optimizer, 1), 0.25);
  optimizer.param_groups().pop_back();
  EXPECT_THROW(scheduler.step(), std::invalid_argument);
}

}  // namespace
