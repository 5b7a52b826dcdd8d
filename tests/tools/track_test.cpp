// muon train --track and muon inspect, as a user runs them.
#include "support/running.hpp"
#include "track/run_folder.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <torch/torch.h>

#include <csignal>
#include <thread>

namespace {

using namespace track_test;
using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

class Track : public InFolder {
 protected:
  Result muon(const std::string& arguments) const {
    return shell("cd '" + folder.string() + "' && $muon " + arguments);
  }

  json inspected(const std::string& path) const {
    return json::parse(muon("inspect --json " + path).out);
  }

  const std::string train =
      "train --data random --threads 1 --run-dir r --steps 60 --log-every 20 ";
};

TEST_F(Track, AllFormatsHaveTheSameRun) {
  const Result run = muon(
      train + "--track wandb,tensorboard,jsonl --watch all --project p --name n --momentum 0.9");
  ASSERT_EQ(run.status, 0) << run.out;
  EXPECT_THAT(run.out,
              AllOf(HasSubstr("wandb sync r/wandb/offline-run-"), HasSubstr("wandb leet"),
                    HasSubstr("tensorboard --logdir r/tensorboard"), HasSubstr("inspect r\n")));
  const json wandb = inspected("r"), events = inspected("r/tensorboard"),
             lines = inspected("r/metrics.jsonl");
  EXPECT_THAT(wandb.at("files").at(0).get<std::string>(), HasSubstr(".wandb"));
  EXPECT_EQ(wandb.at("name"), "n");
  EXPECT_EQ(wandb.at("project"), "p");
  EXPECT_EQ(wandb.at("exit_code"), 0);
  EXPECT_EQ(wandb.at("config").at("momentum"), 0.9);
  EXPECT_THAT(wandb.at("config").dump(), HasSubstr("\"plan/"));
  const std::vector<int> steps{20, 40, 60};
  for (const char* name :
       {"train/loss", "lr/muon", "lr/adamw", "gradient_norm/muon", "update_norm/adamw",
        "gradient_norms/fc1.weight", "parameter_norms/fc1.weight"}) {
    EXPECT_EQ(wandb.at("metrics").at(name).at("steps"), steps) << name;
    EXPECT_EQ(lines.at("metrics").at(name), wandb.at("metrics").at(name)) << name;
    EXPECT_EQ(events.at("metrics").at(name).at("steps"), steps) << name;
    EXPECT_GT(events.at("metrics").at(name).at("values").at(0), 0) << name;
  }
  for (const char* name : {"test/loss", "test/accuracy", "train/epoch_loss", "epoch"})
    EXPECT_EQ(wandb.at("metrics").at(name).at("steps").back(), 60) << name;
  for (const json& found : {wandb, events, lines})
    EXPECT_EQ(found.at("others").at("gradients/fc1.weight"), 3);
}

TEST_F(Track, TheNumbersOfTrainingAreTheSameWithAndWithout) {
  // without the seconds, which end the line
  const auto numbers = [](const std::string& out) {
    const std::size_t begin = out.find("train loss"), end = out.find(" %", begin);
    return out.substr(begin, end - begin);
  };
  const Result without = muon("train --data random --threads 1 --steps 30 --run-dir a");
  const Result with = muon(
      "train --data random --threads 1 --steps 30 --run-dir b --track jsonl --watch all "
      "--log-every 1");
  EXPECT_EQ(contents(folder / "a/model.pt"), contents(folder / "b/model.pt"));
  EXPECT_EQ(numbers(without.out), numbers(with.out));
  EXPECT_THAT(numbers(with.out), HasSubstr("test accuracy"));
}

TEST_F(Track, AResumedRunKeepsItsId) {
  const std::string endless = "train --data random --threads 1 --run-dir '" +
                              (folder / "r").string() +
                              "' --steps 100000 --gradients 1 --log-every 20 --track "
                              "wandb,tensorboard,jsonl --watch gradients";
  const auto stopped_after = [](const std::string& command, int step) {
    Running training("$muon " + command);
    EXPECT_TRUE(training.read_until("gradients after step " + std::to_string(step) + "\n"));
    training.signal(SIGINT);
    return training.finish();
  };
  const Result stopped = stopped_after(endless, 50);
  ASSERT_THAT(stopped.out, AllOf(HasSubstr("stopped by SIGINT"), HasSubstr("tracked")));
  const json before = inspected("r");
  EXPECT_EQ(before.at("exit_code"), 130);
  const Result again = stopped_after(endless + " --resume", 200);
  ASSERT_THAT(again.out, HasSubstr("resumed after step"));
  const json after = inspected("r");
  EXPECT_EQ(after.at("id"), before.at("id"));
  EXPECT_EQ(after.at("files").size(), 2u);
  for (const json& found : {after, inspected("r/tensorboard"), inspected("r/metrics-2.jsonl")}) {
    const std::vector<int> steps = found.at("metrics").at("train/loss").at("steps");
    for (const int step : steps) EXPECT_EQ(step % 20, 0);
    EXPECT_EQ(found.at("metrics").at("gradient_norms/fc1.weight").at("steps"), steps);
    EXPECT_TRUE(std::is_sorted(steps.begin(), steps.end()));
  }
  EXPECT_GT(after.at("metrics").at("train/loss").at("steps").size(),
            before.at("metrics").at("train/loss").at("steps").size());
}

TEST_F(Track, InspectPrintsTablesAndCurvesAndCompares) {
  ASSERT_EQ(muon(train + "--track jsonl").status, 0);
  const Result table = muon("inspect r");
  EXPECT_THAT(table.out,
              AllOf(HasSubstr("state     finished"), HasSubstr("train/loss"), HasSubstr("⠀")));
  fs::copy(folder / "r", folder / "s", fs::copy_options::recursive);
  EXPECT_THAT(muon("inspect r s --metric train/loss").out,
              AllOf(HasSubstr("train/loss"), HasSubstr("\nr\n"), HasSubstr("\ns\n")));
  EXPECT_THAT(muon("inspect r --metric none").out,
              HasSubstr("nothing was logged as 'none'; there is: epoch"));
  EXPECT_THAT(muon("inspect r --verify").out, HasSubstr("holds no checkpoint"));
  EXPECT_EQ(muon("inspect nowhere").status, 1);
  EXPECT_THAT(muon("inspect r/model.pt").out, HasSubstr("neither a checkpoint"));
}

TEST_F(Track, FollowShowsWhatComesUntilTheEnd) {
  Running training(
      "$muon train --data random --threads 1 --steps 400 --log-every 50 --gradients 1 --track "
      "tensorboard --run-dir '" +
      (folder / "f").string() + "'");
  ASSERT_TRUE(training.read_until("gradients after step 60\n"));
  std::thread rest([&] { training.finish(); });
  const Result follow = muon("inspect f --metric train/loss --follow");
  rest.join();
  EXPECT_EQ(follow.status, 0);
  for (const char* step : {"step 50 ", "step 200 ", "step 400 ", "finished"})
    EXPECT_THAT(follow.out, HasSubstr(step));
}

TEST_F(Track, WrongOptionsAreRefused) {
  EXPECT_THAT(muon("train --watch gradients --data random").out, HasSubstr("need --track"));
  EXPECT_EQ(muon("train --track mlflow --data random").status, 2);
  const Result project =
      muon("train --track wandb --project a/b --data random --steps 1 --run-dir p");
  EXPECT_EQ(project.status, 2);
  EXPECT_THAT(project.out, HasSubstr("project 'a/b' (WANDB_PROJECT): at most 128"));
  EXPECT_FALSE(fs::exists(folder / "p"));
  EXPECT_EQ(muon("train --track jsonl,jsonl --data random --steps 1 --run-dir twice").status, 0);
  EXPECT_THAT(muon("--version; WANDB_MODE=disabled '" MUON_PROGRAM
                   "' train --track wandb --data random --steps 1 --run-dir d")
                  .out,
              HasSubstr("WANDB_MODE=disabled: nothing is written for wandb"));
}

TEST_F(Track, AFullDiskIsReportedAndTrainingContinues) {
  const Result run = muon("--version; ulimit -f 100; '" MUON_PROGRAM
                          "' train --data random --threads 1 --run-dir q --steps 60 "
                          "--log-every 1 --track jsonl --watch all --summary /dev/null");
  EXPECT_THAT(run.out, AllOf(HasSubstr("tracking data was lost, training continues"),
                             HasSubstr("jsonl: rows not written"), HasSubstr("File too large"),
                             HasSubstr("train loss")));
  EXPECT_NE(inspected("q").at("metrics").at("train/loss").at("steps").size(), 0u);
}

}  // namespace
