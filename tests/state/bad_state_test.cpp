// State whose next step would make parameters NaN is refused when it is loaded, from every kind of
// file.
#include "optim/state_check.hpp"
#include "state/pickling.hpp"
#include "state/training.hpp"
#include "support/state_of.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

namespace {

using namespace training;
using testing::AllOf;
using testing::HasSubstr;
using torch::optim::AdamWParamState;

constexpr double infinity = std::numeric_limits<double>::infinity();

/// Something wrong in the state of one parameter, and what is said of it.
struct Damage {
  std::string name;
  std::function<void(Session&)> make;
  std::string said;
};

AdamWParamState& moments(Session& run) {
  return state_of<AdamWParamState>(*run.optimizer, run.net->embed->weight);
}

torch::Tensor momentum(Session& run) {
  return momentum_of(*run.optimizer, run.net->hidden->weight);
}

void set_first(const torch::Tensor& tensor, double value) { tensor.flatten()[0].fill_(value); }

class BadState : public testing::TestWithParam<Damage> {};

TEST_P(BadState, IsRefusedFromEveryFileAndChangesNothing) {
  const Folder folder;
  Session from(mixed);
  from.train_to(3);
  GetParam().make(from);
  const fs::path file = muon::save_checkpoint(folder / "a.safetensors", from.parts());
  std::stringstream archive;
  torch::save(*from.optimizer, archive);
  muon::save_python_optimizer(folder / "o.pt", *from.optimizer);

  Session to(mixed, 2);
  to.train_to(2);
  const auto before = to.values();
  std::stringstream state, after;
  torch::save(*to.optimizer, state);
  const auto said = HasSubstr(GetParam().said);
  EXPECT_THAT(error_of([&] { muon::load_checkpoint(file, to.parts()); }),
              AllOf(said, HasSubstr("a.safetensors")));
  EXPECT_THAT(error_of([&] { torch::load(*to.optimizer, archive); }), said);
  EXPECT_THAT(error_of([&] { muon::load_python_optimizer(folder / "o.pt", *to.optimizer); }),
              AllOf(said, HasSubstr("o.pt")));
  torch::save(*to.optimizer, after);
  EXPECT_EQ(state.str(), after.str());
  EXPECT_TRUE(same(before, to.values()));
}

INSTANTIATE_TEST_SUITE_P(
    Load, BadState,
    testing::Values(
        Damage{"step_negative", [](Session& s) { moments(s).step(-1); },
               "the step of 'embed.weight' is no number of steps; it is -1"},
        Damage{"step_huge", [](Session& s) { moments(s).step(std::int64_t{1} << 60); },
               "the step of 'embed.weight'"},
        Damage{"squares_negative", [](Session& s) { set_first(moments(s).exp_avg_sq(), -1e-8); },
               "exp_avg_sq of 'embed.weight' holds negative values"},
        Damage{"squares_nan", [](Session& s) { set_first(moments(s).exp_avg_sq(), NAN); },
               "exp_avg_sq of 'embed.weight' holds NaN"},
        Damage{"average_infinite", [](Session& s) { set_first(moments(s).exp_avg(), -infinity); },
               "exp_avg of 'embed.weight' holds NaN or infinity"},
        Damage{"momentum_nan", [](Session& s) { set_first(momentum(s), NAN); },
               "momentum_buffer of 'hidden.weight' holds NaN"}),
    [](const auto& entry) { return entry.param.name; });

TEST(BadStateCheck, AStepIsAWholeNumberThatCanBeReached) {
  for (const double bad : {-1.0, 2.5, 1e30, infinity, -infinity, std::nan("")})
    EXPECT_FALSE(muon::step_count_of(torch::tensor(bad))) << bad;
  EXPECT_FALSE(muon::step_count_of(torch::tensor({1.0, 2.0})));
  EXPECT_FALSE(muon::step_count_of(torch::Tensor()));
  EXPECT_EQ(muon::step_count_of(torch::tensor(7.0F)), 7);
  EXPECT_EQ(muon::step_count_of(torch::full({1}, 0, torch::kLong)), 0);
}

/// torch.save(optimizer.state_dict(), file) of a torch.optim.AdamW for one number.
void write_adamw(const fs::path& file, double step) {
  using namespace pickling;
  const std::string zero = tensor("0", {1}, {1});
  const std::string state = dict({{"step", real(step)}, {"exp_avg", zero}, {"exp_avg_sq", zero}});
  const std::string group =
      dict({{"params", "](" + integer(0) + "e"}, {"betas", "(" + real(0.9) + real(0.999) + "t"}});
  write_torch_file(file,
                   document(dict({{"state", "}(" + integer(0) + state + "u"},
                                  {"param_groups", "](" + group + "e"}})),
                   {{"0", std::string(4, '\0')}});
}

TEST(BadStateCheck, AStepInAFileOfPythonsIsRefused) {
  const Folder folder;
  const fs::path file = folder / "o.pt";
  const torch::Tensor p = torch::ones({1}).requires_grad_();
  muon::MuonWithAuxAdam optimizer({muon::ParamGroup({p}, torch::optim::AdamWOptions())});
  for (const double bad : {-1.0, 2.5, 1e30, infinity, std::nan("")}) {
    write_adamw(file, bad);
    EXPECT_THAT(error_of([&] { muon::load_python_optimizer(file, optimizer); }),
                AllOf(HasSubstr("o.pt"), HasSubstr("is no number of steps")))
        << bad;
    EXPECT_TRUE(optimizer.state().empty()) << bad;
  }
  write_adamw(file, 3);
  muon::load_python_optimizer(file, optimizer);
  EXPECT_EQ(state_of<AdamWParamState>(optimizer, p).step(), 3);
}

/// A value that the wider type held and the narrower does not.
TEST(BadStateCheck, IsLookedForAfterTheConversion) {
  const Folder folder;
  const auto in = [](torch::ScalarType type) {
    return [type](Net& net) {
      net->to(type);
      return mixed(net);
    };
  };
  Session wide(in(torch::kFloat64)), narrow(in(torch::kFloat32), 2);
  wide.train_to(3);
  set_first(momentum(wide), 1e300);
  const fs::path file = muon::save_checkpoint(folder / "a.safetensors", wide.parts());
  EXPECT_THAT(error_of([&] { muon::load_checkpoint(file, narrow.parts(), {.dtype = true}); }),
              HasSubstr("momentum_buffer of 'hidden.weight' holds NaN or infinity"));
}

}  // namespace
