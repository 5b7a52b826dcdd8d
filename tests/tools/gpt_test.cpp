// muon train --model gpt, as a user runs it, and its attention.
#include "tools/program.hpp"
#include "train/models/attention.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <torch/torch.h>

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
  Gpt() {
    for (int i = 0; i < 200; ++i) text += fmt::format("{} bottles of beer on the wall\n", i % 10);
    std::ofstream("text.txt") << text;
  }

  /// Trains a tiny model, on the text if `options` do not say otherwise.
  static Result train(const std::string& options) { return shell(command(options)); }
  static std::string command(const std::string& options) {
    const bool own_data = options.find("--data") != std::string::npos;
    return "$muon train --model gpt --threads 1 " + shape +
           (own_data ? "" : "--data text.txt --batch-size 8 --warmup 5 ") + options;
  }

  static Json summary(const std::string& options) {
    fs::remove_all("run");
    const Result run = train(options + " --run-dir run");
    EXPECT_EQ(run.status, 0) << run.out;
    return Json::parse(contents("run/summary.json"));
  }

  /// Everything but the time.
  static Json results(const fs::path& run) {
    Json all = Json::parse(contents(run / "summary.json"))["epochs"];
    for (Json& each : all) each.erase("seconds");
    return all;
  }

  static void expect_equal(const fs::path& run, const fs::path& whole) {
    EXPECT_FALSE(contents(whole / "model.pt").empty());
    EXPECT_EQ(contents(run / "model.pt"), contents(whole / "model.pt"));
    EXPECT_EQ(results(run), results(whole));
  }

  std::string text;
};

TEST_F(Gpt, ThePlanHasItsRoles) {
  const Result plan = train("--plan-only");
  EXPECT_EQ(plan.status, 0) << plan.out;
  EXPECT_THAT(plan.out, ContainsRegex("embed.weight +\\[256, 32\\] .*embedding +AdamW"));
  EXPECT_THAT(plan.out, ContainsRegex("attn.qkv.weight +\\[96, 32\\] .*hidden matrix +Muon"));
  EXPECT_THAT(plan.out, ContainsRegex("attn.proj.weight +\\[32, 32\\] .*hidden matrix +Muon"));
  EXPECT_THAT(plan.out, ContainsRegex("mlp.fc.weight +\\[128, 32\\] .*hidden matrix +Muon"));
  EXPECT_THAT(plan.out, ContainsRegex("head.weight +\\[256, 32\\] .*output head +AdamW"));
  const Result tied = train("--plan-only --tied");
  EXPECT_THAT(tied.out, ContainsRegex("embed.weight .*embedding +AdamW.*tie: also head.weight"));
  EXPECT_THAT(tied.out, Not(HasSubstr("output head")));
}

// All that is not the model's size is as it is without options.
TEST_F(Gpt, TheDefaultsLearnMobyDick) {
  const Result run = shell("$muon train --model gpt --threads 1 " + shape + "--run-dir run");
  ASSERT_EQ(run.status, 0) << run.out;
  const Json summary = Json::parse(contents("run/summary.json")), options = summary["options"],
             results = summary["epochs"];
  EXPECT_EQ(options["data"], "moby_dick");
  EXPECT_EQ(options["schedule"], "cosine");
  EXPECT_EQ(options["warmup"], 30);
  EXPECT_EQ(options["batch_size"], 16);
  EXPECT_EQ(options["clip"], 1.0);
  EXPECT_TRUE(options["flush_denormals"].is_boolean());
  EXPECT_EQ(summary["steps"], 300);
  ASSERT_EQ(results.size(), 6u);
  for (std::size_t i = 1; i < results.size(); ++i) {
    EXPECT_EQ(results[i]["step"], 50 * (i + 1));
    EXPECT_LT(results[i]["test_loss"], results[0]["test_loss"]);
  }
  const double loss = results.back()["test_loss"];
  EXPECT_LT(loss, std::log(80.0));  // what the frequency of every byte alone could not do: the
                                    // text has about 80 different ones
  EXPECT_DOUBLE_EQ(summary["bits_per_byte"].get<double>(), loss / std::log(2.0));
  EXPECT_THAT(run.out, ContainsRegex("step 50/300  train loss [0-9.]+  validation loss [0-9.]+, "
                                     "[0-9.]+ bits per byte  [0-9.]+ s\n"));
  EXPECT_THAT(run.out, Not(HasSubstr("epoch")));
}

TEST_F(Gpt, StoppedAtAnyMomentAndGoneOnIsNeverStopped) {
  const std::string options = "--steps 90 --eval-every 20 --momentum-warmup 30 --run-dir ";
  ASSERT_EQ(train(options + "whole").status, 0);
  ASSERT_EQ(results("whole").size(), 5u);  // after 20, 40, 60, 80 and 90 steps
  std::string next = command(options + "stopped --gradients 1 --track jsonl");
  std::mt19937 random(1);
  int stops = 0;
  for (int reached = 0; !next.empty(); ++stops) {
    Running training(next);
    const int step = reached + 5 + static_cast<int>(random() % 20);
    // a signal near the end might meet a program that is through
    if (step <= 60 && training.read_until(after_step(step))) training.signal(SIGINT);
    const Result result = training.finish();
    next = line_after(result.out, "to go on");
    ASSERT_EQ(result.status, next.empty() ? 0 : 128 + SIGINT) << result.out;
    if (!next.empty())
      reached = std::stoi(result.out.substr(result.out.rfind(" after step ") + 12));
  }
  EXPECT_GT(stops, 1);
  expect_equal("stopped", "whole");
}

TEST_F(Gpt, GoesOnLongerInsideAnEvaluationInterval) {
  const std::string options = "--schedule constant --eval-every 20 --run-dir ";
  ASSERT_EQ(train(options + "whole --steps 60").status, 0);
  ASSERT_EQ(train(options + "a --steps 30 --save-every 30").status, 0);
  const Result longer = train(options + "a --steps 60 --resume");
  ASSERT_EQ(longer.status, 0) << longer.out;
  expect_equal("a", "whole");
  const Result other = train(options + "b --steps 60 --resume a --eval-every 10 --heads 4");
  EXPECT_EQ(other.status, 2);
  EXPECT_THAT(other.out, AllOf(HasSubstr("heads was 2 and is 4 now"),
                               HasSubstr("eval_every was 20 and is 10 now")));
  EXPECT_FALSE(fs::exists("b"));
}

TEST_F(Gpt, ATextIsTheSameGzippedAndInPieces) {
  const std::string options = "--batch-size 8 --steps 10 --run-dir ";
  fs::create_directories("pieces/below");
  std::ofstream("pieces/b") << text.substr(100, 3000);
  std::ofstream("pieces/a") << text.substr(0, 100);
  std::ofstream("pieces/c");
  std::ofstream("pieces/d") << text.substr(3100);
  std::ofstream("pieces/.hidden") << "left out";
  std::ofstream("pieces/below/e") << "left out";
  ASSERT_EQ(shell("gzip -c text.txt >zipped; gzip pieces/b").status, 0);
  for (const char* data : {"text.txt", "zipped", "pieces"})
    ASSERT_EQ(train(options + data + ".run --data " + data).status, 0) << data;
  expect_equal("zipped.run", "text.txt.run");
  expect_equal("pieces.run", "text.txt.run");
}

TEST_F(Gpt, EveryOptimizerAndTypeRuns) {
  for (const char* options :
       {"--optimizer sgd --clip 0", "--optimizer adamw --tied --track jsonl --watch all",
        "--dtype float64 --schedule wsd --layers 2", "--dtype bfloat16 --data random"}) {
    const Json found = summary(std::string("--steps 6 --eval-every 4 ") + options);
    EXPECT_EQ(found["steps"], 6) << options;
    EXPECT_EQ(found["epochs"].size(), 2u) << options;
    EXPECT_TRUE(found["epochs"].back()["test_loss"].is_number()) << options;
  }
}

TEST_F(Gpt, TheSampleIsPrintedSafelyAndIsTheSameAgain) {
  std::string evil;
  for (int i = 0; i < 400; ++i) evil += "a\x1b[31m\xff\n";
  std::ofstream("evil.txt") << evil;
  const std::string options =
      "--data evil.txt --steps 60 --lr 0.1 --adamw-lr 0.01 --sample \"$(printf '\\033[31m')\" ";
  const auto sample = [&](const std::string& more) {
    const Result run = train(options + more);
    EXPECT_EQ(run.status, 0) << run.out;
    return run.out.substr(run.out.find("\nsample at"));
  };
  const std::string first = sample("--run-dir a");
  EXPECT_THAT(first, HasSubstr("\nsample at temperature 0.8\n\\u001b[31m"));
  EXPECT_EQ(first.find('\x1b'), std::string::npos);
  EXPECT_EQ(sample("--run-dir b"), first);
  const std::string likeliest = sample("--run-dir c --temperature 0");
  EXPECT_THAT(likeliest, HasSubstr("temperature 0\n\\u001b[31m\\xff\na\\u001b[31m\\xff\na"));
  EXPECT_EQ(std::count(likeliest.begin(), likeliest.end(), 'a'), 400 / 8 + 3);
}

TEST_F(Gpt, GradientsAreClippedTogether) {
  for (const std::string& model :
       {"--model gpt --data text.txt " + shape, std::string("--data random ")}) {
    const Result run = shell("$muon train --threads 1 " + model +
                             "--batch-size 8 --steps 1 --clip 0.01 --gradients 1 --run-dir run");
    ASSERT_EQ(run.status, 0) << run.out;
    fs::remove_all("run");
    double squares = 0;
    const std::regex norm("norm ([-+.e0-9]+)");
    for (std::sregex_iterator each(run.out.begin(), run.out.end(), norm), end; each != end; ++each)
      squares += std::pow(std::stod((*each)[1]), 2);
    EXPECT_NEAR(std::sqrt(squares), 0.01, 1e-5);  // four digits are printed
  }
  const Result diverged = train("--steps 50 --optimizer adamw --lr 1e30 --run-dir run");
  EXPECT_EQ(diverged.status, 1);
  EXPECT_THAT(diverged.out, HasSubstr("NaN or infinity in the gradient of"));
}

TEST_F(Gpt, BadInputIsRefusedBeforeAFolderIsMade) {
  std::ofstream("short.txt") << text.substr(0, 169);
  std::ofstream("empty.txt");
  fs::create_directories("folder/below");
  fs::create_directory("empty_files");
  std::ofstream("empty_files/a");
  ASSERT_EQ(shell("gzip -c text.txt | head -c 100 >torn.gz; mkfifo pipe").status, 0);
  struct Refusal {
    const char* options;
    int status;
    std::vector<const char*> says;
  };
  const std::vector<Refusal> refusals{
      {"--data nowhere", 1, {"--data nowhere does not exist", "moby_dick"}},
      {"--data empty.txt", 1, {"--data empty.txt is empty"}},
      {"--data folder", 1, {"--data folder holds no files"}},
      {"--data empty_files", 1, {"--data empty_files is empty"}},
      {"--data mnist", 1, {"--data mnist holds images", "moby_dick"}},
      {"--data torn.gz", 1, {"torn.gz", "truncated"}},
      {"--data pipe", 1, {"pipe cannot be read"}},
      {"--data short.txt", 1, {"short.txt has 169 bytes", "--context 16", "at least 170 bytes"}},
      {"--epochs 2", 2, {"--epochs", "--model gpt", "--steps"}},
      {"--width 33", 2, {"--width", "--heads 2", "even"}},
      {"--width 30", 2, {"--width", "--heads 2", "even"}},
      {"--context 0", 2, {"--context", "1 to"}},
      {"--layers 1001", 2, {"--layers", "1 to 1000"}},
      {"--temperature 0.5", 2, {"--temperature", "--sample"}},
      {"--sample x --temperature -1", 2, {"--temperature", "-1"}},
      {"--steps 10 --warmup 11", 2, {"--warmup 11", "10 steps"}},
      {"--steps 10 --run-dir run --resume", 2, {"--resume"}},
      {"--steps 10 --clip -1", 2, {"--clip"}},
  };
  for (const Refusal& refusal : refusals) {
    const Result run = train(refusal.options);
    EXPECT_EQ(run.status, refusal.status) << refusal.options << "\n" << run.out;
    for (const char* says : refusal.says) EXPECT_THAT(run.out, HasSubstr(says)) << refusal.options;
  }
  for (const char* option : {"--layers 1", "--width 32", "--heads 2", "--context 8", "--tied",
                             "--eval-every 5", "--sample x"}) {
    const Result run = shell(std::string("$muon train --data random --steps 1 ") + option);
    EXPECT_EQ(run.status, 2) << option;
    EXPECT_THAT(run.out, AllOf(HasSubstr(std::string(option).substr(0, 6)),
                               HasSubstr("--model small_net"), HasSubstr("--model gpt")));
  }
  EXPECT_FALSE(fs::exists("run") || fs::exists("runs"));
  std::ofstream("short.txt") << text.substr(0, 170);
  EXPECT_EQ(train("--data short.txt --steps 2 --run-dir run").status, 0);
}

// ---- attention ----

/// softmax over what each position may see, value by value.
torch::Tensor attention_by_definition(const torch::Tensor& q, const torch::Tensor& k,
                                      const torch::Tensor& v) {
  const torch::Tensor result = torch::zeros_like(v);
  for (std::int64_t t = 0; t < q.size(2); ++t) {
    const torch::Tensor scores =
        torch::einsum("nhd,nhsd->nhs", {q.select(2, t), k.slice(2, 0, t + 1)}) /
        std::sqrt(static_cast<double>(q.size(3)));
    result.select(2, t).copy_(
        torch::einsum("nhs,nhsd->nhd", {scores.softmax(-1), v.slice(2, 0, t + 1)}));
  }
  return result;
}

using Attention = torch::Tensor (*)(const torch::Tensor&, const torch::Tensor&,
                                    const torch::Tensor&);

/// What attention gives for q, k, v as the model has them, parts of one tensor, and the gradient of
/// that tensor.
std::vector<torch::Tensor> forward_and_backward(Attention attention, torch::ScalarType dtype) {
  auto generator = at::detail::createCPUGenerator(3);
  const torch::Tensor qkv =
      torch::randn({3, 2, 5, 4, 6}, generator, torch::kFloat64).to(dtype).requires_grad_();
  const torch::Tensor heads_first = qkv.transpose(2, 3);  // [3, n, heads, time, width]
  const torch::Tensor result = attention(heads_first[0], heads_first[1], heads_first[2]);
  const torch::Tensor weights = torch::arange(result.numel(), dtype).sin().view(result.sizes());
  (result * weights).sum().backward();
  return {result.detach(), qkv.grad()};
}

TEST(CausalAttention, IsItsDefinitionEitherWay) {
  const auto expected = forward_and_backward(attention_by_definition, torch::kFloat64);
  for (const Attention attention : {cli::causal_attention, cli::written_out_causal_attention}) {
    // sums of at most 30 products of magnitude below 10, rounded to one part in 2^53, and in 2^24
    for (const auto& [dtype, tolerance] :
         {std::pair(torch::kFloat64, 1e-13), std::pair(torch::kFloat32, 2e-5)}) {
      const auto found = forward_and_backward(attention, dtype);
      for (std::size_t i = 0; i < found.size(); ++i) {
        EXPECT_EQ(found[i].sizes(), expected[i].sizes());
        EXPECT_LT((found[i].to(torch::kFloat64) - expected[i]).abs().max().item<double>(),
                  tolerance);
      }
    }
  }
}

}  // namespace
