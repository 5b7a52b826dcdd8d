// muon train --resume with another length, as a user runs it.
#include "tools/program.hpp"

#include <muon/optim/schedule.hpp>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <csignal>

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

/// 1,024 images: an epoch has 64 steps.
class Extend : public InFolder {
 protected:
  static Result train(const std::string& options) {
    return shell("$muon train --data random --threads 1 --batch-size 16 --warmup 5 " + options);
  }

  /// Everything but the time.
  static Json epochs(const fs::path& run) {
    Json results = Json::parse(contents(run / "summary.json")).at("epochs");
    for (Json& epoch : results) epoch.erase("seconds");
    return results;
  }

  static void expect_equal(const fs::path& run, const fs::path& whole) {
    EXPECT_FALSE(contents(whole / "model.pt").empty());
    EXPECT_EQ(contents(run / "model.pt"), contents(whole / "model.pt"));
    EXPECT_EQ(epochs(run), epochs(whole));
  }

  static void expect_done(const std::string& options) {
    const Result run = train(options);
    ASSERT_EQ(run.status, 0) << options << "\n" << run.out;
  }
};

TEST_F(Extend, AConstantRunIsTheOneThatWasLongerFromTheStart) {
  expect_done("--schedule constant --steps 150 --run-dir whole");
  // inside its second epoch
  expect_done("--schedule constant --steps 70 --save-every 40 --run-dir a");
  EXPECT_EQ(epochs("a").size(), 2u);
  const Result longer = train("--schedule constant --steps 150 --save-every 40 --resume a");
  ASSERT_EQ(longer.status, 0) << longer.out;
  EXPECT_THAT(longer.out, AllOf(HasSubstr("resumed after step 70"),
                                HasSubstr("150 steps in all instead of 70")));
  expect_equal("a", "whole");
}

TEST_F(Extend, ByEpochsToo) {
  expect_done("--schedule constant --epochs 2 --run-dir whole");
  expect_done("--schedule constant --epochs 1 --save-every 64 --run-dir a");
  expect_done("--schedule constant --epochs 2 --resume a");
  expect_equal("a", "whole");
}

TEST_F(Extend, AConstantRunMayEndSoonerToo) {
  expect_done("--schedule constant --steps 60 --run-dir whole");
  expect_done("--schedule constant --steps 100 --save-every 40 --keep 0 --run-dir a");
  expect_done(
      "--schedule constant --steps 60 --resume a/checkpoints/step-00000040.safetensors --run-dir "
      "b");
  expect_equal("b", "whole");
}

// A run of 100 steps decays from step 80 on: the rate of its first 81 steps is full, and that of
// the 82nd is not.
TEST_F(Extend, TheDecayOfWarmUpStableDecayMovesToTheNewEndBeforeItBegan) {
  expect_done("--schedule wsd --steps 150 --run-dir whole");
  expect_done("--schedule wsd --steps 100 --save-every 27 --keep 0 --run-dir a");
  const std::string longer =
      "--schedule wsd --steps 150 --run-dir b --resume a/checkpoints/step-00000081.safetensors";
  expect_done(longer);
  expect_equal("b", "whole");
}

TEST_F(Extend, ItIsRefusedOnceTheDecayHasBegun) {
  expect_done("--schedule wsd --steps 100 --save-every 41 --keep 0 --run-dir a");
  for (const std::string from : {"a/checkpoints/step-00000082.safetensors", "a"}) {
    const Result refused = train("--schedule wsd --steps 150 --run-dir b --resume " + from);
    EXPECT_EQ(refused.status, 2);
    EXPECT_THAT(refused.out, AllOf(HasSubstr("--steps 150 is another length than the 100 steps"),
                                   HasSubstr("--schedule wsd, since step 82"),
                                   HasSubstr("resume a checkpoint of step 81 or before"),
                                   HasSubstr("--extend")));
    EXPECT_FALSE(fs::exists("b"));
  }
  const Result jumped = train("--schedule wsd --steps 150 --run-dir b --resume a --extend");
  EXPECT_EQ(jumped.status, 0);
  EXPECT_THAT(jumped.out,
              HasSubstr("150 steps in all instead of 100; learning rates now Muon 0.02"));
}

TEST_F(Extend, CosineNeedsTheWord) {
  expect_done("--schedule cosine --steps 100 --save-every 100 --run-dir a");
  const Result refused = train("--schedule cosine --steps 150 --resume a");
  EXPECT_EQ(refused.status, 2);
  const double factor = muon::schedule::cosine(100, 150, 5);
  EXPECT_THAT(refused.out,
              AllOf(HasSubstr("--schedule cosine, since step 7"), HasSubstr("--extend"),
                    HasSubstr(fmt::format("jumps from 0 to {:.3g} of its full value", factor)),
                    Not(HasSubstr("resume a checkpoint of"))));
  EXPECT_EQ(epochs("a").back().at("step"), 100);
  const Result extended = train("--schedule cosine --steps 150 --resume a --extend");
  ASSERT_EQ(extended.status, 0) << extended.out;
  EXPECT_THAT(extended.out,
              HasSubstr(fmt::format("learning rates now Muon {:.3g}", 0.02 * factor)));
  EXPECT_EQ(epochs("a").back().at("step"), 150);
}

TEST_F(Extend, InItsWarmUpEverySchedulePermitsIt) {
  expect_done("--schedule cosine --steps 90 --run-dir whole");
  expect_done("--schedule cosine --steps 10 --save-every 5 --run-dir a");
  expect_done(
      "--schedule cosine --steps 90 --resume a/checkpoints/step-00000005.safetensors --run-dir b");
  expect_equal("b", "whole");
}

TEST_F(Extend, FewerStepsThanAreDoneAreRefused) {
  expect_done("--schedule constant --steps 100 --save-every 100 --run-dir a");
  for (const std::string more : {"", " --extend"}) {
    const Result fewer = train("--schedule constant --steps 50 --run-dir b --resume a" + more);
    EXPECT_EQ(fewer.status, 2);
    EXPECT_THAT(
        fewer.out,
        HasSubstr("--steps 50 is fewer than the 100 steps that are done; give at least as many"));
  }
  EXPECT_THAT(train("--schedule constant --epochs 1 --resume a").out,
              HasSubstr("--epochs 1 (64 steps) is fewer than the 100"));
  EXPECT_THAT(
      train("--schedule constant --steps 100 --resume a").out,
      HasSubstr("a holds the result of this run after 100 steps; give more --steps or --epochs"));
  EXPECT_THAT(train("--schedule constant --steps 150 --extend --run-dir b").out,
              HasSubstr("--resume"));
  EXPECT_EQ(train("--schedule constant --steps 150 --extend --run-dir b").status, 2);
  EXPECT_FALSE(fs::exists("b"));
}

TEST_F(Extend, AStoppedExtensionResumesInItsFolder) {
  expect_done("--schedule constant --steps 300 --run-dir whole");
  expect_done("--schedule constant --steps 40 --save-every 40 --run-dir a");
  Running training(
      "$muon train --data random --threads 1 --batch-size 16 --warmup 5 --schedule constant "
      "--steps 300 --gradients 1 --resume a");
  ASSERT_TRUE(training.read_until(after_step(100)));
  training.signal(SIGINT);
  EXPECT_EQ(training.finish().status, 128 + SIGINT);
  EXPECT_EQ(epochs("a").back().at("step"), 40);  // the result stays until there is another
  expect_done("--schedule constant --steps 300 --resume a");
  expect_equal("a", "whole");
}

TEST_F(Extend, OtherDataIsRefused) {
  expect_done("--schedule constant --steps 70 --save-every 70 --run-dir a");
  const Result other = shell(
      "$muon train --data mnist --threads 1 --batch-size 16 --warmup 5 --schedule constant --steps "
      "90 --resume a");
  EXPECT_EQ(other.status, 2);
  EXPECT_THAT(other.out, HasSubstr("data was \"random\" and is \"mnist\" now"));
}

}  // namespace
