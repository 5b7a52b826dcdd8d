// What we write, read by W&B's own Python reader and by TensorBoard's EventAccumulator.
#include "track/run_folder.hpp"

#include <muon/track/jsonl.hpp>
#include <muon/track/run.hpp>
#include <muon/track/tensorboard.hpp>
#include <muon/track/watch.hpp>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <sys/wait.h>
#include <torch/torch.h>

namespace {

using namespace muon::track;
using namespace track_test;

class Official : public InFolder {
 protected:
  /// The same run in the official format and, for comparison, as lines.
  void log(const std::shared_ptr<Sink>& sink) {
    torch::manual_seed(1);
    torch::nn::Sequential model(torch::nn::Linear(6, 5), torch::nn::Linear(5, 2));
    auto run = init({.project = "official",
                     .name = "学习 run",
                     .config = {{"lr", 0.02}, {"data", Object{{"name", "mnist"}, {"n", 5}}}},
                     .dir = folder,
                     .sinks = {sink, jsonl(folder / "lines.jsonl")},
                     .notes = "bad \xff byte",
                     .tags = {"a", "b"},
                     .system_metrics_interval = 0.01});
    run.define_metric({.name = "val/*",
                       .step_metric = "epoch",
                       .summary = MetricSummary::min,
                       .goal = MetricGoal::minimize});
    auto watched = watch(run, *model, {.log = Log::all, .log_freq = 3});
    for (int i = 0; i < 400; ++i) {
      model->zero_grad();
      const torch::Tensor loss = model->forward(torch::randn({4, 6})).pow(2).mean();
      loss.backward();
      watched.step();
      Object row{{"train/loss", loss},
                 {"i", i},
                 {"odd name. 学", 0.5 * i},
                 {"inner", Object{{"a", i}, {"b", -i}}}};
      if (i % 50 == 0) {
        row.emplace_back("nan", std::nan(""));
        row.emplace_back("infinite", -std::numeric_limits<double>::infinity());
        row.emplace_back("text", "line one\nline \xff two " + std::string(40000, 'x'));
        row.emplace_back("val/loss", 1.0 / (i + 1));
      }
      run.log(row);
    }
    run.config().update({{"lr", 0.01}});
    run.finish(0);
    ASSERT_TRUE(run.problems().empty());
  }

  /// 77: this Python has not got the reader.
  static void check(const std::string& arguments) {
    const int status =
        std::system(("python3 -W ignore " MUON_OFFICIAL_READERS " " + arguments).c_str());
    if (WIFEXITED(status) && (WEXITSTATUS(status) == 77 || WEXITSTATUS(status) == 127))
      GTEST_SKIP() << "python3 here has no such reader (pip install wandb tensorboard); our own "
                      "reader was tested";
    EXPECT_EQ(status, 0);
  }
};

TEST_F(Official, WandbsDataStoreReadsOurLog) {
  log(wandb_offline());
  check("wandb " + files_in(folder, ".wandb").front().string() + " " +
        (folder / "lines.jsonl").string());
}

TEST_F(Official, EventAccumulatorReadsOurEvents) {
  log(tensorboard(folder / "tb"));
  check("tensorboard " + (folder / "tb").string() + " " + (folder / "lines.jsonl").string());
}

}  // namespace
