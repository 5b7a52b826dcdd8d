// muon::Muon and torch::optim::AdamW side by side: stopped and resumed is never stopped, to the
// last bit.
#include "state/training.hpp"

#include <gmock/gmock.h>

namespace {

using namespace training;
using testing::AllOf;
using testing::HasSubstr;

/// As Session, with two optimizers and a schedule each.
struct Pair {
  explicit Pair(std::uint64_t seed = 1) {
    torch::manual_seed(seed);
    net = Net();
    const muon::Plan plan = muon::make_plan(*net);
    matrices = std::make_unique<muon::Muon>(plan);
    adamw = std::make_unique<torch::optim::AdamW>(plan.adamw_groups());
    matrices_lr = std::make_unique<muon::LambdaLR>(
        *matrices, [](std::int64_t s) { return muon::schedule::cosine(s, total, 5); });
    adamw_lr = std::make_unique<muon::LambdaLR>(
        *adamw, [](std::int64_t s) { return muon::schedule::cosine(s, total, 9); });
  }

  void train_to(std::int64_t last) {
    for (; step < last; ++step) {
      muon::set_momentum(*matrices, muon::schedule::momentum_warmup(step, 20));
      net->zero_grad();
      const torch::Tensor tokens = torch::randint(10, {7}), labels = torch::randint(3, {7});
      torch::nn::functional::cross_entropy(net->forward(tokens), labels).backward();
      matrices->step();
      adamw->step();
      matrices_lr->step();
      adamw_lr->step();
    }
  }

  muon::TrainingState parts(bool swapped = false) {
    muon::TrainingState parts{.model = *net, .step = step};
    parts.optimizers = {matrices.get(), adamw.get()};
    parts.schedules = {matrices_lr.get(), adamw_lr.get()};
    if (swapped) {
      std::swap(parts.optimizers[0], parts.optimizers[1]);
      std::swap(parts.schedules[0], parts.schedules[1]);
    }
    return parts;
  }

  std::vector<torch::Tensor> values() const {
    std::vector<torch::Tensor> result;
    for (const auto& entry : muon::NamedTensors(*net).entries())
      result.push_back(entry.tensor.detach().clone());
    return result;
  }

  static constexpr std::int64_t total = 30;
  Net net{nullptr};
  std::unique_ptr<muon::Muon> matrices;
  std::unique_ptr<torch::optim::AdamW> adamw;
  std::unique_ptr<muon::LambdaLR> matrices_lr, adamw_lr;
  std::int64_t step = 0;
};

TEST(TwoOptimizers, ResumedAtAnyStepAreNeverStopped) {
  torch::set_num_threads(1);
  const Folder folder;
  Pair whole;
  for (std::int64_t k = 0; k <= Pair::total; k += 3) {
    whole.train_to(k);
    muon::save_checkpoint(folder / (std::to_string(k) + ".safetensors"),
                          whole.parts(/*swapped=*/k % 2 == 1));
  }
  for (std::int64_t k = 0; k <= Pair::total; k += 3) {
    Pair resumed(1000 + static_cast<std::uint64_t>(k));
    resumed.step =
        muon::load_checkpoint(folder / (std::to_string(k) + ".safetensors"), resumed.parts()).step;
    ASSERT_EQ(resumed.step, k);
    EXPECT_EQ(resumed.adamw_lr->step_count(), k);
    resumed.train_to(Pair::total);
    ASSERT_TRUE(same(whole.values(), resumed.values())) << "resumed after step " << k;
  }
}

/// Parameters are known by name, so one optimizer for both kinds may become two, and the other way
/// round.
TEST(TwoOptimizers, TakeOverFromOneAndGiveBackToIt) {
  const Folder folder;
  Session one(mixed);
  one.train_to(7);
  Pair two(2);
  two.step = muon::load_checkpoint(muon::save_checkpoint(folder / "one.safetensors", one.parts()),
                                   two.parts(), {.options = true})
                 .step;
  EXPECT_EQ(two.matrices_lr->step_count(), 7);
  EXPECT_EQ(two.adamw_lr->step_count(), 7);
  Session back(mixed, 3);
  muon::load_checkpoint(muon::save_checkpoint(folder / "two.safetensors", two.parts()),
                        back.parts(), {.options = true});
  const muon::Safetensors before(folder / "one.safetensors");
  const muon::Safetensors after(muon::save_checkpoint(folder / "back.safetensors", back.parts()));
  ASSERT_EQ(before.tensors().size(), after.tensors().size());
  for (const auto& info : before.tensors()) {
    if (info.name.starts_with("random/")) continue;
    EXPECT_TRUE(torch::equal(before.tensor(info.name), after.tensor(info.name))) << info.name;
  }
}

TEST(TwoOptimizers, AlsoAdamWAloneAndByTheOtherField) {
  const Folder folder;
  Pair from, to(2);
  from.train_to(4);
  const fs::path file = muon::save_checkpoint(
      folder / "a.safetensors",
      {.model = *from.net, .optimizer = from.adamw.get(), .schedule = from.adamw_lr.get()});
  muon::load_checkpoint(
      file, {.model = *to.net, .optimizers = {to.adamw.get()}, .schedules = {to.adamw_lr.get()}});
  EXPECT_EQ(to.adamw->state().size(), from.adamw->state().size());
  EXPECT_EQ(to.adamw_lr->step_count(), 4);
  EXPECT_EQ(to.adamw->param_groups()[0].options().get_lr(),
            from.adamw->param_groups()[0].options().get_lr());
  // what is missing is said, and nothing has been changed
  EXPECT_THAT(error_of([&] { muon::load_checkpoint(file, to.parts()); }),
              HasSubstr("no state of 'hidden.weight'"));
}

/// Without a model that names them, two optimizers' parameters by place must not be taken for each
/// other's.
TEST(TwoOptimizers, GoByPlaceWithoutNames) {
  const Folder folder;
  const auto make = [] { return torch::ones({4, 3}).requires_grad_(); };
  torch::Tensor a = make(), b = make(), c = make(), d = make();
  muon::Muon first({a}, 0.1), other_first({c}, 0.1);
  torch::optim::AdamW second(std::vector<torch::Tensor>{b}),
      other_second(std::vector<torch::Tensor>{d});
  a.mutable_grad() = torch::ones({4, 3});
  b.mutable_grad() = torch::ones({4, 3});
  first.step();
  second.step();
  const fs::path file =
      muon::save_checkpoint(folder / "a.safetensors", {.optimizers = {&first, &second}});
  EXPECT_TRUE(muon::Safetensors(file).contains("optim/parameter 0 of group 0/momentum_buffer"));
  EXPECT_TRUE(
      muon::Safetensors(file).contains("optim/parameter 0 of group 0 of optimizer 1/exp_avg"));
  muon::load_checkpoint(file, {.optimizers = {&other_first, &other_second}});
  EXPECT_EQ(other_first.state().size(), 1U);
  EXPECT_EQ(other_second.state().size(), 1U);
}

TEST(TwoOptimizers, TellWhichOneDoesNotFit) {
  const Folder folder;
  Pair from, to(2);
  from.train_to(2);
  const fs::path file = muon::save_checkpoint(folder / "a.safetensors", from.parts());
  static_cast<torch::optim::AdamWOptions&>(to.adamw->param_groups()[0].options()).weight_decay(0.5);
  EXPECT_THAT(error_of([&] { muon::load_checkpoint(file, to.parts()); }),
              HasSubstr("weight_decay of group 0 of optimizer 1 (adamw)"));
  EXPECT_TRUE(to.adamw->state().empty() && to.matrices->state().empty());
}

TEST(TwoOptimizers, OthersAndTwiceTheSameAreRefused) {
  const Folder folder;
  Pair run;
  torch::optim::SGD sgd(run.net->parameters(), 0.1);
  const fs::path file = folder / "a.safetensors";
  const auto refusal = [&](std::vector<torch::optim::Optimizer*> optimizers) {
    EXPECT_THROW(muon::save_checkpoint(file, {.model = *run.net, .optimizers = optimizers}),
                 std::invalid_argument);
    return error_of(
        [&] { muon::save_checkpoint(file, {.model = *run.net, .optimizers = optimizers}); });
  };
  EXPECT_THAT(refusal({run.matrices.get(), &sgd}),
              HasSubstr("optimizer 1 is of a kind whose state is not known"));
  EXPECT_THAT(refusal({run.matrices.get(), run.matrices.get()}),
              HasSubstr("'hidden.weight' is in two optimizers"));
  EXPECT_THAT(refusal({run.matrices.get(), nullptr}), HasSubstr("one of the optimizers is null"));
  EXPECT_FALSE(fs::exists(file));
}

}  // namespace
