// Compiled as C++17: the public headers of tracking, and options that are set by assignment.
#include <muon/track/history.hpp>
#include <muon/track/jsonl.hpp>
#include <muon/track/record.hpp>
#include <muon/track/run.hpp>
#include <muon/track/sink.hpp>
#include <muon/track/tensorboard.hpp>
#include <muon/track/value.hpp>
#include <muon/track/wandb.hpp>
#include <muon/track/watch.hpp>

static_assert(__cplusplus < 202000L);

namespace {

struct Counter : muon::track::Sink {
  std::string name() const override { return "counter"; }
  void row(const muon::track::Row& row) override { count += row.values.size(); }
  std::size_t count = 0;
};

}  // namespace

muon::track::Run begin_run();
muon::track::Run begin_run() {
  using namespace muon::track;
  RunOptions options;
  options.project = "p";
  options.config = {{"lr", 0.02},
                    {"layers", 3u},
                    {"bias", true},
                    {"data", Object{{"name", "mnist"}}},
                    {"sizes", List{1, 2L}}};
  options.sinks = {std::make_shared<Counter>(), jsonl(), tensorboard("tb")};
  options.system_metrics_interval = 15;
  Run run = init(std::move(options));
  MetricDefinition metric;
  metric.name = "loss";
  metric.summary = MetricSummary::best;
  metric.goal = MetricGoal::minimize;
  run.define_metric(metric);
  run.log({{"loss", 0.5f},
           {"count", std::size_t{3}},
           {"text", std::string_view("a")},
           {"none", Value()}});
  return run;
}

muon::track::Watch begin_watch(muon::track::Run& run, const torch::nn::Module& model);
muon::track::Watch begin_watch(muon::track::Run& run, const torch::nn::Module& model) {
  muon::track::WatchOptions options;
  options.log = muon::track::Log::all;
  options.log_freq = 10;
  return muon::track::watch(run, model, options);
}
