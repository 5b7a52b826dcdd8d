// muon train --model gpt, as a user runs it.
#include "tools/beer.hpp"
#include "tools/program.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <csignal>
#include <random>
#include <regex>
#include <vector>

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

const std::string shape = "--layers 1 --width 32 --heads 2 --context 16 ";

class Gpt : public InFolder {
 protected:
  Gpt() { std::ofstream("text.txt") << beer(); }

  /// Trains a tiny model on text.txt.
  static std::string command(const std::string& options) {
    return "$muon train --model gpt --threads 1 --data text.txt --batch-size 8 --warmup 5 " +
           shape + options;
  }
  static Result train(const std::string& options) { return shell(command(options)); }

  /// Everything but the time.
  static Json results(const fs::path& run) {
    Json all = Json::parse(contents(run / "summary.json")).at("epochs");
    for (Json& each : all) each.erase("seconds");
    return all;
  }

  static void expect_equal(const fs::path& run, const fs::path& whole) {
    EXPECT_FALSE(contents(whole / "model.pt").empty());
    EXPECT_EQ(contents(run / "model.pt"), contents(whole / "model.pt"));
    EXPECT_EQ(results(run), results(whole));
  }
};

void expect_roles(const std::string& plan) {
  EXPECT_THAT(plan, ContainsRegex("embed.weight +\\[256, 32\\] .*embedding +AdamW"));
  EXPECT_THAT(plan, ContainsRegex("attn.qkv.weight +\\[96, 32\\] .*hidden matrix +Muon"));
  EXPECT_THAT(plan, ContainsRegex("attn.proj.weight +\\[32, 32\\] .*hidden matrix +Muon"));
  EXPECT_THAT(plan, ContainsRegex("mlp.fc.weight +\\[128, 32\\] .*hidden matrix +Muon"));
  EXPECT_THAT(plan, ContainsRegex("mlp.proj.weight +\\[32, 128\\] .*hidden matrix +Muon"));
  EXPECT_THAT(plan, ContainsRegex("head.weight +\\[256, 32\\] .*output head +AdamW"));
}

TEST_F(Gpt, ATiedHeadIsTheEmbedding) {
  const Result tied = shell("$muon train --model gpt --data nowhere --plan-only --tied");
  EXPECT_EQ(tied.status, 0) << tied.out;
  EXPECT_THAT(tied.out, ContainsRegex("embed.weight .*embedding +AdamW.*tie: also head.weight"));
  EXPECT_THAT(tied.out, Not(HasSubstr("output head")));
}

// All that is not the model's size is as it is without options.
TEST_F(Gpt, TheDefaultsLearnMobyDick) {
  const Result run = shell("$muon train --model gpt --threads 1 " + shape + "--run-dir run");
  ASSERT_EQ(run.status, 0) << run.out;
  expect_roles(run.out);
  const Json summary = Json::parse(contents("run/summary.json")), options = summary.at("options"),
             results = summary.at("epochs");
  EXPECT_EQ(options.at("data"), "moby_dick");
  EXPECT_EQ(options.at("schedule"), "cosine");
  EXPECT_EQ(options.at("warmup"), 30);
  EXPECT_EQ(options.at("batch_size"), 16);
  EXPECT_EQ(options.at("clip"), 1.0);
  EXPECT_TRUE(options.at("flush_denormals").is_boolean());
  EXPECT_EQ(summary.at("steps"), 300);
  ASSERT_EQ(results.size(), 6u);
  for (std::size_t i = 1; i < results.size(); ++i) {
    EXPECT_EQ(results.at(i).at("step"), 50 * (i + 1));
    EXPECT_LT(results.at(i).at("test_loss"), results.at(0).at("test_loss"));
  }
  const double loss = results.back().at("test_loss");
  EXPECT_LT(loss, std::log(85.0));  // the text has 85 different bytes
  EXPECT_DOUBLE_EQ(summary.at("bits_per_byte").get<double>(), loss / std::log(2.0));
  EXPECT_THAT(run.out, ContainsRegex("step 50/300  train loss [0-9.]+  validation loss [0-9.]+, "
                                     "[0-9.]+ bits per byte  [0-9.]+ s\n"));
  EXPECT_THAT(run.out, Not(HasSubstr("epoch")));
}

TEST_F(Gpt, StoppedAtAnyMomentAndGoneOnIsNeverStopped) {
  const std::string options = "--steps 70 --eval-every 20 --momentum-warmup 30 --run-dir ";
  ASSERT_EQ(train(options + "whole").status, 0);
  ASSERT_EQ(results("whole").size(), 4u);  // after 20, 40, 60 and 70 steps
  std::string next = command(options + "stopped --gradients 1 --track jsonl");
  std::mt19937 random(1);
  int stops = 0;
  for (int reached = 0; !next.empty(); ++stops) {
    Running training(next);
    const int step = reached + 5 + static_cast<int>(random() % 15);
    // a signal near the end might meet a program that is through
    if (step <= 40 && training.read_until(after_step(step))) training.signal(SIGINT);
    const Result result = training.finish();
    next = line_after(result.out, "to resume");
    ASSERT_EQ(result.status, next.empty() ? 0 : 128 + SIGINT) << result.out;
    if (!next.empty())
      reached = std::stoi(result.out.substr(result.out.rfind(" after step ") + 12));
  }
  EXPECT_GT(stops, 1);
  expect_equal("stopped", "whole");
}

TEST_F(Gpt, ResumesLongerInsideAnEvaluationInterval) {
  const std::string options = "--schedule constant --eval-every 20 --run-dir ";
  ASSERT_EQ(train(options + "whole --steps 60").status, 0);
  ASSERT_EQ(train(options + "a --steps 30 --save-every 30").status, 0);
  const Result longer = train(options + "a --steps 60 --resume");
  ASSERT_EQ(longer.status, 0) << longer.out;
  expect_equal("a", "whole");
  const Result other = shell(
      "$muon train --model gpt --data text.txt --batch-size 8 --warmup 5 --layers 1 --width 32 "
      "--heads 4 --context 16 --schedule constant --eval-every 10 --steps 60 --run-dir b "
      "--resume a");
  EXPECT_EQ(other.status, 2);
  EXPECT_THAT(other.out, AllOf(HasSubstr("heads was 2 and is 4 now"),
                               HasSubstr("eval_every was 20 and is 10 now")));
  EXPECT_FALSE(fs::exists("b"));
}

TEST_F(Gpt, OtherOptimizersAndTypesRun) {
  int number = 0;
  for (const char* options :
       {"--optimizer sgd --clip 0 --dtype bfloat16 --schedule wsd",
        "--optimizer adamw --dtype float64 --tied --track jsonl --watch all"}) {
    const std::string run_folder = std::to_string(number++);
    const Result run =
        train(std::string("--steps 6 --eval-every 4 --run-dir ") + run_folder + " " + options);
    ASSERT_EQ(run.status, 0) << run.out;
    ASSERT_EQ(results(run_folder).size(), 2u) << options;
    EXPECT_TRUE(results(run_folder).at(1).at("test_loss").is_number()) << options;
  }
}

TEST_F(Gpt, TheSampleIsPrintedSafely) {
  std::string evil;
  for (int i = 0; i < 400; ++i) evil += "a\x1b[31m\xff\n";
  std::ofstream("text.txt") << evil;
  for (const std::string temperature : {"0.8", "0"}) {
    const Result run = train(
        "--steps 60 --lr 0.1 --adamw-lr 0.01 --sample \"$(printf '\\033[31m')\" --temperature " +
        temperature + " --run-dir " + temperature);
    ASSERT_EQ(run.status, 0) << run.out;
    EXPECT_EQ(run.out.find('\x1b'), std::string::npos);
    const std::string sample = run.out.substr(run.out.find("\nsample at"));
    EXPECT_THAT(sample, HasSubstr("\nsample at temperature " + temperature + "\n\\u001b[31m"));
    if (temperature != "0") continue;
    EXPECT_THAT(sample, HasSubstr("\n\\u001b[31m\\xff\na\\u001b[31m\\xff\na"));
    // one for every 8 of the 400 bytes, and three in the line above them
    EXPECT_EQ(std::count(sample.begin(), sample.end(), 'a'), 400 / 8 + 3);
  }
}

TEST_F(Gpt, GradientsAreClippedTogether) {
  const Result run = train("--steps 5 --clip 0.01 --gradients 5 --run-dir run");
  ASSERT_EQ(run.status, 0) << run.out;
  double squares = 0;
  const std::regex norm("norm ([-+.e0-9]+)");
  for (std::sregex_iterator each(run.out.begin(), run.out.end(), norm), end; each != end; ++each)
    squares += std::pow(std::stod((*each)[1]), 2);
  EXPECT_NEAR(std::sqrt(squares), 0.01, 1e-5);  // four digits are printed
  const Result diverged = train("--steps 50 --optimizer adamw --lr 1e30 --run-dir diverged");
  EXPECT_EQ(diverged.status, 1);
  EXPECT_THAT(diverged.out, HasSubstr("NaN or infinity in the gradient of"));
}

TEST_F(Gpt, BadInputIsRefusedBeforeAFolderIsMade) {
  const auto expect_refused = [](const std::string& options, int status, const char* says) {
    const Result run = shell("$muon train --run-dir run " + options);
    EXPECT_EQ(run.status, status) << options << "\n" << run.out;
    EXPECT_THAT(run.out, HasSubstr(says)) << options;
  };
  expect_refused("--model gpt --data nowhere", 1, "--data nowhere does not exist");
  expect_refused("--model gpt --epochs 2", 2, "--epochs: --model gpt samples its text");
  expect_refused("--model gpt --width 36 --heads 4", 2, "--width: 36 over --heads 4 must be");
  expect_refused("--data random --layers 2", 2, "--layers: --model small_net learns images");
  EXPECT_FALSE(fs::exists("run"));
}

}  // namespace
