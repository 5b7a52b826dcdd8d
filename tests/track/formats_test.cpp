// What a run writes in each format, and that it reads back the same.
#include "track/run_folder.hpp"
#include "track/wandb_records.hpp"

#include "track/formats/reserved_names.hpp"

#include <muon/track/history.hpp>
#include <muon/track/jsonl.hpp>
#include <muon/track/run.hpp>
#include <muon/track/tensorboard.hpp>

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <future>
#include <limits>
#include <map>
#include <random>

namespace {

using namespace muon::track;
using namespace track_test;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class Formats : public InFolder {};

/// What was logged: name -> (step, value).
using Points = std::map<std::string, std::vector<std::pair<std::int64_t, double>>>;

Points points_of(const fs::path& path) {
  History history(path);
  history.read();
  EXPECT_THAT(history.problems(), ElementsAre());
  EXPECT_TRUE(history.exit_code().has_value());
  Points points;
  for (const auto& [name, series] : history.series()) {
    for (std::size_t i = 0; i < series.steps.size(); ++i)
      points[name].emplace_back(series.steps[i], series.values[i]);
  }
  return points;
}

bool same(const Points& a, const Points& b) {
  const auto equal = [](const auto& x, const auto& y) {
    return x.first == y.first &&
           (x.second == y.second || (std::isnan(x.second) && std::isnan(y.second)));
  };
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [&](const auto& x, const auto& y) {
           return x.first == y.first && std::equal(x.second.begin(), x.second.end(),
                                                   y.second.begin(), y.second.end(), equal);
         });
}

/// One random run in all formats at once; what its numbers are.
Points log_at_random(const fs::path& folder, unsigned seed) {
  std::mt19937 random(seed);
  const std::vector<std::string> names{"loss",    "train/loss",   "a.b c",      "学习/率",
                                       "emoji 😀", "\"quoted\\\"", "line\nbreak"};
  const std::vector<double> odd{0.0,
                                -0.0,
                                1e300,
                                5e-324,
                                std::nan(""),
                                std::numeric_limits<double>::infinity(),
                                -std::numeric_limits<double>::infinity()};
  Points points;
  auto run =
      init({.project = "p",
            .config = {{"seed", static_cast<int>(seed)}},
            .dir = folder,
            .sinks = {wandb_offline(), tensorboard(folder / "tb"), jsonl(folder / "a.jsonl")}});
  std::int64_t step = 0;
  for (int i = 0, rows = static_cast<int>(random() % 12); i < rows; ++i, step += 1 + random() % 3) {
    Object row;
    for (const std::string& name : names) {
      switch (random() % 7) {
        case 0: {
          const double value = random() % 3 == 0 ? odd[random() % odd.size()]
                                                 : std::ldexp(static_cast<double>(random()), -20);
          row.emplace_back(name, value);
          points[name].emplace_back(step, value);
          break;
        }
        case 1: {
          const auto value = static_cast<std::int64_t>(random() % 1000);
          row.emplace_back(name, Object{{"inner", value}, {"text", "t"}});
          points[name + "/inner"].emplace_back(step, static_cast<double>(value));
          break;
        }
        case 2: row.emplace_back(name, std::string(random() % 3 == 0 ? 40000 : 5, 'x')); break;
        case 3:
          row.emplace_back(name,
                           Histogram{{0, 1, 2}, {3, static_cast<std::int64_t>(random() % 9)}});
          break;
        case 4:
          row.emplace_back(name, random() % 2 == 0);
          points[name].emplace_back(step, std::get<bool>(row.back().second.get()) ? 1 : 0);
          break;
        default: break;
      }
    }
    if (!row.empty()) run.log(row, step);
  }
  run.finish(0);
  EXPECT_THAT(problem_texts(run), ElementsAre());
  return points;
}

TEST_F(Formats, EveryFormatReadsBackWhatWasLogged) {
  for (unsigned seed = 0; seed < 1000; ++seed) {
    const fs::path run = folder / std::to_string(seed);
    const Points logged = log_at_random(run, seed);
    ASSERT_TRUE(same(points_of(run / "wandb"), logged)) << "W&B, seed " << seed;
    ASSERT_TRUE(same(points_of(run / "a.jsonl"), logged)) << "JSON lines, seed " << seed;
    Points rounded = logged;  // TensorBoard's scalars are float32
    for (auto& [name, points] : rounded) {
      for (auto& point : points)
        point.second = static_cast<double>(static_cast<float>(point.second));
    }
    ASSERT_TRUE(same(points_of(run / "tb"), rounded)) << "TensorBoard, seed " << seed;
    expect_valid_log(records_of(files_in(run / "wandb", ".wandb").front()), true);
    fs::remove_all(run);
  }
}

TEST_F(Formats, AwkwardTexts) {
  const std::string bad = "bad \xff byte", large(10'000'000, 'x');
  {
    auto run = init({.project = "p\xff",
                     .name = "学 习",
                     .config = {{bad, bad}},
                     .dir = folder,
                     .sinks = {wandb_offline(), tensorboard(), jsonl()},
                     .notes = bad});
    run.log({{bad, 1}, {"", 2}, {"large", large}, {"nothing", Value()}});
    EXPECT_THAT(problem_texts(run), ElementsAre());
  }
  for (const char* part : {"wandb", "tensorboard"}) {
    History history(folder / part);
    history.read();
    EXPECT_EQ(history.series().at("bad \xef\xbf\xbd byte").values, std::vector<double>{1}) << part;
    EXPECT_EQ(history.config().at("bad \xef\xbf\xbd byte"), "\"bad \xef\xbf\xbd byte\"");
    EXPECT_THAT(history.name(), testing::StartsWith("学 习"));
    EXPECT_EQ(history.others().at("large"), 1);
  }
}

TEST_F(Formats, ConfigUpdatesMerge) {
  {
    auto run = init({.config = {{"lr", 0.1}, {"data", Object{{"name", "mnist"}}}},
                     .dir = folder,
                     .sinks = {wandb_offline(), jsonl()}});
    run.config().update({{"lr", 0.2}, {"data", Object{{"images", 7}}}});
  }
  const std::vector<fs::path> lines = files_in(folder, ".jsonl");
  for (const fs::path& path : {folder / "wandb", lines.front()}) {
    History history(path);
    history.read();
    EXPECT_EQ(history.config().at("lr"), "0.2");
    EXPECT_EQ(history.config().at("data/name"), "\"mnist\"");
    EXPECT_EQ(history.config().at("data/images"), "7");
  }
}

TEST_F(Formats, DefinedMetricsAreSummedUpAndGlobsExpanded) {
  {
    auto run = init({.dir = folder});
    run.define_metric({.name = "val/*", .step_metric = "epoch", .summary = MetricSummary::min});
    for (const double value : {3.0, 1.0, 2.0}) run.log({{"val/loss", value}, {"other", value}});
  }
  const auto records = records_of(files_in(folder, ".wandb").front());
  int definitions = 0;
  std::map<std::string, std::string> summary;
  for (const auto& record : records) {
    definitions += record.kind == wandb_record::metric_kind;
    if (record.kind != wandb_record::summary_kind) continue;
    for (const auto& [path, json] : record.items) summary[joined(path)] = json;
  }
  EXPECT_EQ(definitions, 2);
  EXPECT_EQ(summary.at("val/loss/min"), "1");
  EXPECT_EQ(summary.at("other"), "2");
  EXPECT_EQ(summary.count("val/loss"), 0u);
}

TEST_F(Formats, StepMetricsGoIntoTheRowsThatNeedThem) {
  {
    auto run = init({.dir = folder});
    run.define_metric({.name = "val/*", .step_metric = "epoch"});
    run.log({{"epoch", 1}});
    run.log({{"val/loss", 0.5}});
  }
  History history(folder);
  history.read();
  EXPECT_EQ(history.series().at("epoch").steps, (std::vector<std::int64_t>{0, 1}));
}

TEST_F(Formats, AFullDiskLosesRowsAndNotTheRun) {
  const auto before = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  ::getrlimit(RLIMIT_FSIZE, &old);
  auto run = init({.dir = folder, .sinks = {wandb_offline(), tensorboard(), jsonl()}});
  run.define_metric({.name = "large/*", .step_metric = "a"});
  run.log({{"a", 1}});
  const rlimit small{100'000, old.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  run.log({{"large/text", std::string(200'000, 'x')}});
  run.log({{"a", 2}});  // fits: what was lost is gone, and no more than that
  ::setrlimit(RLIMIT_FSIZE, &old);
  run.log({{"a", 3}});
  run.finish();
  std::signal(SIGXFSZ, before);
  EXPECT_THAT(problem_texts(run), ElementsAre(HasSubstr("jsonl: rows not written (once)"),
                                              HasSubstr("tensorboard: rows not written (once)"),
                                              AllOf(HasSubstr("wandb: rows not written (once)"),
                                                    HasSubstr("File too large"))));
  for (const std::string part : {"wandb", "tensorboard"}) {
    History history(folder / part);
    history.read();
    EXPECT_EQ(history.series().at("a").values, (std::vector<double>{1, 2, 3})) << part;
    EXPECT_EQ(history.exit_code(), 0);
  }
  const auto records = records_of(files_in(folder, ".wandb").front());
  expect_valid_log(records, true);
  const auto definitions = std::count_if(records.begin(), records.end(), [](const auto& r) {
    return r.kind == wandb_record::metric_kind;
  });
  EXPECT_EQ(definitions, 2);  // that of large/text is written with the next row
}

TEST_F(Formats, NamesThatWandbSetsItselfAreNotWrittenTwice) {
  {
    auto run = init({.dir = folder, .sinks = {wandb_offline(), jsonl(folder / "a.jsonl")}});
    run.log({{step_name, 99}, {timestamp_name, 1}, {runtime_name, Object{{"a", 1}}}, {"loss", 2}});
  }
  for (const auto& record : records_of(files_in(folder, ".wandb").front())) {
    if (record.kind != wandb_record::history_kind) continue;
    std::vector<std::string> names;
    for (const auto& [path, json] : record.items) names.push_back(joined(path));
    EXPECT_THAT(names, ElementsAre("loss", timestamp_name, runtime_name, step_name));
    EXPECT_EQ(record.items.back().second, "0");
  }
  const std::string lines = contents(folder / "a.jsonl");
  EXPECT_THAT(lines, HasSubstr("{\"_step\":0,"));
  EXPECT_EQ(lines.find("\"_step\":99"), std::string::npos);
}

/// Lets a test wait until the system thread has sampled.
struct FirstSample : Sink {
  std::string name() const override { return "first sample"; }
  void row(const Row&) override {}
  void system(const Row&) override {
    if (!seen) sampled.set_value();
    seen = true;
  }
  std::promise<void> sampled;
  bool seen = false;
};

TEST_F(Formats, SystemMetricsAreSampledInTheBackground) {
  const auto first = std::make_shared<FirstSample>();
  {
    auto run = init({.dir = folder,
                     .sinks = {wandb_offline(), jsonl(folder / "a.jsonl"), first},
                     .system_metrics_interval = 0.001});
    first->sampled.get_future().wait();
  }
  const std::string lines = contents(folder / "a.jsonl");
  EXPECT_THAT(lines, AllOf(HasSubstr("\"cpu\":"), HasSubstr("\"proc.memory.rssMB\":"),
                           HasSubstr("\"memory_percent\":")));
  expect_valid_log(records_of(files_in(folder, ".wandb").front()), true);
}

}  // namespace
