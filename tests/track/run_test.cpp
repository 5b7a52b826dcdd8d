// Rows and steps as W&B has them, what is written, and what happens when it cannot be.
#include "track/run_folder.hpp"

#include "track/formats/value_json.hpp"
#include "track/formats/wandb_log.hpp"
#include "track/formats/wandb_record.hpp"

#include <muon/track/history.hpp>
#include <muon/track/jsonl.hpp>
#include <muon/track/run.hpp>
#include <muon/track/tensorboard.hpp>

#include <gmock/gmock.h>
#include <torch/torch.h>
#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <functional>
#include <limits>
#include <random>
#include <sys/wait.h>
#include <thread>

namespace {

using namespace muon::track;
using namespace track_test;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class Tracking : public InFolder {};

/// Keeps what it is told.
struct Memory : Sink {
  std::string name() const override { return "memory"; }
  void start(const RunInfo&, const Object& values) override { first_config = values; }
  void row(const Row& row) override { rows.push_back(row); }
  void finish(int code, const Row& row) override {
    exit_code = code;
    last = row;
  }
  Object first_config;
  std::vector<Row> rows;
  std::optional<int> exit_code;
  Row last;
};

/// "step: name=value ...".
std::vector<std::string> texts(const Memory& memory) {
  std::vector<std::string> result;
  for (const Row& row : memory.rows) {
    std::string text = std::to_string(row.step) + ":";
    for (const auto& [name, value] : row.values) text += " " + name + "=" + json_text(value, NonFinite::bare);
    result.push_back(text);
  }
  return result;
}

std::vector<wandb_record::Parsed> records_of(const fs::path& file) {
  wandb_log::Reader reader;
  reader.feed(contents(file));
  std::vector<wandb_record::Parsed> records;
  while (const auto record = reader.next()) records.push_back(wandb_record::parse(*record));
  return records;
}

/// W&B's order: header, run, then anything, and at the end exit and final. Every record has a number and a kind.
void expect_valid_log(const std::vector<wandb_record::Parsed>& records, bool finished) {
  ASSERT_GE(records.size(), 2u);
  for (std::size_t i = 0; i < records.size(); ++i) {
    EXPECT_EQ(records[i].number, static_cast<std::int64_t>(i) + 1);
    EXPECT_NE(records[i].kind, 0u);
    EXPECT_EQ(records[i].kind == wandb_record::header_kind, i == 0);
    EXPECT_EQ(records[i].kind == wandb_record::run_kind, i == 1);
    EXPECT_EQ(records[i].kind == wandb_record::exit_kind, finished && i + 2 == records.size());
    EXPECT_EQ(records[i].kind == wandb_record::final_kind, finished && i + 1 == records.size());
    if (records[i].kind == wandb_record::history_kind) {
      EXPECT_EQ(records[i - 1].kind, wandb_record::summary_kind);
    }
  }
}

TEST_F(Tracking, RowsFollowWandbsRules) {
  const auto memory = std::make_shared<Memory>();
  auto run = init({.sinks = {memory}});
  run.log({{"a", 1}});                       // row 0, ended
  run.log({{"a", 2}}, std::nullopt, false);  // into row 1
  run.log({{"b", 3}, {"a", 4}});             // into row 1, which ends
  run.log({{"c", 5}}, 7);                    // row 7
  run.log({{"d", 6}}, 7);                    // too
  run.log({{"e", 7}}, 8, true);              // ends row 7; row 8, ended
  run.log({{"f", 8}}, 3);                    // too late: dropped
  run.log({{"g", Object{{"x", 1}}}}, 9);
  run.log({{"g", Object{{"y", 2}}}}, 9);
  run.finish(3);
  run.finish(0);
  EXPECT_THAT(texts(*memory), ElementsAre("0: a=1", "1: a=4 b=3", "7: c=5 d=6", "8: e=7", R"(9: g={"x":1,"y":2})"));
  EXPECT_EQ(memory->exit_code, 3);
  EXPECT_EQ(memory->last.values.size(), 6u);
  EXPECT_THAT(problem_texts(run), ElementsAre(AllOf(HasSubstr("log calls with a step smaller than the one before, whose values were dropped (once)"), HasSubstr("step 3 after step 9"))));
  EXPECT_THROW(run.log({{"a", 1}}), std::logic_error);
}

TEST_F(Tracking, TheDestructorFinishesAndTellsAnException) {
  const auto quiet = std::make_shared<Memory>(), thrown = std::make_shared<Memory>();
  { const auto run = init({.sinks = {quiet}}); }
  EXPECT_EQ(quiet->exit_code, 0);
  try {
    const auto run = init({.sinks = {thrown}});
    throw std::runtime_error("training failed");
  } catch (const std::runtime_error&) {
  }
  EXPECT_EQ(thrown->exit_code, 1);
}

TEST_F(Tracking, TensorsOfOneValueAreNumbers) {
  const auto memory = std::make_shared<Memory>();
  auto run = init({.sinks = {memory}});
  run.log({{"loss", torch::tensor(0.5)}, {"n", torch::tensor(3)}, {"ok", torch::tensor(true)}});
  EXPECT_THAT(texts(*memory), ElementsAre("0: loss=0.5 n=3 ok=true"));
  EXPECT_THROW(run.log({{"x", torch::ones({2})}}), std::invalid_argument);
}

TEST_F(Tracking, EnvironmentFillsWhatIsEmpty) {
  for (const auto& [name, value] : std::map<std::string, std::string>{{"PROJECT", "p"},
                                                                      {"NAME", "n"},
                                                                      {"RUN_ID", "abc"},
                                                                      {"TAGS", "x,y"},
                                                                      {"NOTES", "o"},
                                                                      {"RUN_GROUP", "g"},
                                                                      {"DIR", folder}})
    ::setenv(("WANDB_" + name).c_str(), value.c_str(), 1);
  const auto run = init({.name = "own"});
  EXPECT_EQ(run.info().project, "p");
  EXPECT_EQ(run.info().name, "own");
  EXPECT_THAT(run.info().tags, ElementsAre("x", "y"));
  EXPECT_EQ(files_in(folder, "run-abc.wandb").size(), 1u);
  EXPECT_EQ(fs::read_symlink(folder / "wandb/latest-run").string(), "offline-run-" + run.info().stamp + "-abc");
  EXPECT_THROW((void)init({}), std::runtime_error);  // the same id in the same second: never appended to
  ::setenv("WANDB_MODE", "disabled", 1);
  EXPECT_TRUE(init({}).sinks().empty());
  EXPECT_EQ(init({.sinks = {wandb_offline(), jsonl(folder / "a.jsonl")}}).sinks().size(), 1u);
  ::setenv("WANDB_MODE", "sideways", 1);
  EXPECT_THROW((void)init({}), std::invalid_argument);
}

TEST_F(Tracking, BadOptionsAreNamed) {
  const auto error = [&](RunOptions options) {
    options.dir = folder;
    try {
      (void)init(std::move(options));
    } catch (const std::exception& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  EXPECT_THAT(error({.project = "a/b"}), HasSubstr("project 'a/b' (WANDB_PROJECT)"));
  EXPECT_THAT(error({.id = "../x"}), HasSubstr("id '../x' (WANDB_RUN_ID)"));
  EXPECT_THAT(error({.tags = {""}}), HasSubstr("tag '' (WANDB_TAGS)"));
  EXPECT_THAT(error({.sinks = {nullptr}}), HasSubstr("null"));
  write(folder / "wandb", "a file");
  EXPECT_THAT(error({}), HasSubstr("cannot be made"));
  const auto memory = std::make_shared<Memory>();
  EXPECT_THAT(error({.sinks = {memory, jsonl(folder / "wandb")}}), HasSubstr("exists already"));
  EXPECT_EQ(memory->exit_code, 1);  // begun, and not left open
  auto run = init({.sinks = {}});
  EXPECT_THROW(run.define_metric({.name = "a*b"}), std::invalid_argument);
  EXPECT_THROW(run.define_metric({.name = "a", .summary = "median"}), std::invalid_argument);
}

TEST_F(Tracking, ManyThreadsLogAndNothingIsLost) {
  const fs::path file = folder / "a.jsonl";
  {
    auto run = init({.dir = folder, .sinks = {jsonl(file), wandb_offline()}});
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&run, t] {
        for (int i = 0; i < 200; ++i) run.log({{"thread " + std::to_string(t), i}});
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  for (const fs::path& path : {file, folder / "wandb"}) {
    History history(path);
    history.read();
    ASSERT_EQ(history.series().size(), 4u);
    for (const auto& [name, series] : history.series()) EXPECT_EQ(series.values.size(), 200u) << name;
  }
}

/// What was logged: name -> (step, value).
using Points = std::map<std::string, std::vector<std::pair<std::int64_t, double>>>;

Points points_of(const fs::path& path) {
  History history(path);
  history.read();
  EXPECT_THAT(history.problems(), ElementsAre());
  EXPECT_TRUE(history.exit_code().has_value());
  Points points;
  for (const auto& [name, series] : history.series()) {
    for (std::size_t i = 0; i < series.steps.size(); ++i) points[name].emplace_back(series.steps[i], series.values[i]);
  }
  return points;
}

bool same(const Points& a, const Points& b) {
  const auto equal = [](const auto& x, const auto& y) {
    return x.first == y.first && (x.second == y.second || (std::isnan(x.second) && std::isnan(y.second)));
  };
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [&](const auto& x, const auto& y) {
           return x.first == y.first && std::equal(x.second.begin(), x.second.end(), y.second.begin(), y.second.end(), equal);
         });
}

/// One random run in all formats at once; what its numbers are.
Points log_at_random(const fs::path& folder, unsigned seed) {
  std::mt19937 random(seed);
  const std::vector<std::string> names{"loss", "train/loss", "a.b c", "学习/率", "emoji 😀", "\"quoted\\\"", "line\nbreak"};
  const std::vector<double> odd{
      0.0, -0.0, 1e300, 5e-324, std::nan(""), std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()};
  Points points;
  auto run = init({.project = "p",
                   .config = {{"seed", static_cast<int>(seed)}},
                   .dir = folder,
                   .sinks = {wandb_offline(), tensorboard(folder / "tb"), jsonl(folder / "a.jsonl")}});
  std::int64_t step = 0;
  for (int i = 0, rows = static_cast<int>(random() % 12); i < rows; ++i, step += 1 + random() % 3) {
    Object row;
    for (const std::string& name : names) {
      switch (random() % 7) {
        case 0: {
          const double value = random() % 3 == 0 ? odd[random() % odd.size()] : std::ldexp(static_cast<double>(random()), -20);
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
        case 3: row.emplace_back(name, Histogram{{0, 1, 2}, {3, static_cast<std::int64_t>(random() % 9)}}); break;
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

TEST_F(Tracking, EveryFormatReadsBackWhatWasLogged) {
  for (unsigned seed = 0; seed < 1000; ++seed) {
    const fs::path run = folder / std::to_string(seed);
    const Points logged = log_at_random(run, seed);
    ASSERT_TRUE(same(points_of(run / "wandb"), logged)) << "W&B, seed " << seed;
    ASSERT_TRUE(same(points_of(run / "a.jsonl"), logged)) << "JSON lines, seed " << seed;
    Points rounded = logged;  // TensorBoard's scalars are float32
    for (auto& [name, points] : rounded) {
      for (auto& point : points) point.second = static_cast<double>(static_cast<float>(point.second));
    }
    ASSERT_TRUE(same(points_of(run / "tb"), rounded)) << "TensorBoard, seed " << seed;
    expect_valid_log(records_of(files_in(run / "wandb", ".wandb").front()), true);
    fs::remove_all(run);
  }
}

TEST_F(Tracking, AwkwardTexts) {
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

TEST_F(Tracking, ConfigUpdatesMerge) {
  {
    auto run =
        init({.config = {{"lr", 0.1}, {"data", Object{{"name", "mnist"}}}}, .dir = folder, .sinks = {wandb_offline(), jsonl()}});
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

TEST_F(Tracking, DefinedMetricsAreSummedUpAndGlobsExpanded) {
  {
    auto run = init({.dir = folder});
    run.define_metric({.name = "val/*", .step_metric = "epoch", .summary = "min"});
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

TEST_F(Tracking, AFullDiskLosesRowsAndNotTheRun) {
  const auto before = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  ::getrlimit(RLIMIT_FSIZE, &old);
  auto run = init({.dir = folder, .sinks = {wandb_offline(), tensorboard(), jsonl()}});
  run.log({{"a", 1}});
  const rlimit small{100'000, old.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  run.log({{"large", std::string(200'000, 'x')}});
  run.log({{"a", 2}});  // fits: what was lost is gone, and no more than that
  ::setrlimit(RLIMIT_FSIZE, &old);
  run.log({{"a", 3}});
  run.finish();
  std::signal(SIGXFSZ, before);
  EXPECT_THAT(problem_texts(run), ElementsAre(HasSubstr("jsonl: rows not written (once)"), HasSubstr("tensorboard: rows not written (once)"),
                                          AllOf(HasSubstr("wandb: rows not written (once)"), HasSubstr("File too large"))));
  for (const std::string part : {"wandb", "tensorboard"}) {
    History history(folder / part);
    history.read();
    EXPECT_EQ(history.series().at("a").values, (std::vector<double>{1, 2, 3})) << part;
    EXPECT_EQ(history.exit_code(), 0);
  }
  expect_valid_log(records_of(files_in(folder, ".wandb").front()), true);
}

TEST_F(Tracking, SystemFiguresComeInTime) {
  {
    auto run = init({.dir = folder, .sinks = {wandb_offline(), jsonl(folder / "a.jsonl")}, .system_metrics_interval = 0.02});
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  const std::string lines = contents(folder / "a.jsonl");
  EXPECT_THAT(lines, AllOf(HasSubstr("\"cpu\":"), HasSubstr("\"proc.memory.rssMB\":"), HasSubstr("\"memory_percent\":")));
  expect_valid_log(records_of(files_in(folder, ".wandb").front()), true);
}

TEST_F(Tracking, AResumedRunReplacesWhatItRepeats) {
  for (const std::int64_t first : {0, 3}) {
    auto run = init({.dir = folder, .sinks = {tensorboard(folder / "tb")}});
    for (std::int64_t step = first; step < first + 5; ++step) run.log({{"loss", first * 100 + step}}, step);
  }
  History history(folder / "tb");
  history.read();
  EXPECT_EQ(history.files().size(), 2u);
  EXPECT_EQ(history.series().at("loss").steps, (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(history.series().at("loss").values[4], 304);
}

TEST_F(Tracking, PartsOfARunAreOrderedByWhatTheySayAndNotByTheirTimes) {
  for (int part = 1; part <= 11; ++part) {
    const std::string name = part == 1 ? "metrics.jsonl" : "metrics-" + std::to_string(part) + ".jsonl";
    write(folder / name, R"({"run":{"id":"abc","start":)" + std::to_string(1000 + part) + "},\"config\":{}}\n" + R"({"_step":)" +
                             std::to_string(part) + R"(,"_timestamp":1,"loss":)" + std::to_string(part) + "}\n");
  }
  write(folder / "other.jsonl", R"({"run":{"id":"old","start":5},"config":{}})"
                                "\n");
  const auto now = fs::file_time_type::clock::now();
  for (const fs::path& file : files_in(folder, ".jsonl")) fs::last_write_time(file, now);
  History history(folder);
  history.read();
  EXPECT_EQ(history.files().size(), 11u);
  EXPECT_EQ(history.series().at("loss").steps.size(), 11u);
}

TEST_F(Tracking, HostileFilesAreErrorsAndNoMore) {
  const std::string begin = R"({"run":{"id":"a","start":1},"config":{}})"
                            "\n";
  for (const std::string& brackets : {std::string(200000, '['), std::string()}) {
    std::string deep = R"({"_step":0,"x":)";
    if (brackets.empty()) {
      for (int i = 0; i < 50000; ++i) deep += R"({"a":)";
      deep += "1" + std::string(50000, '}') + "}\n";
    } else {
      deep += brackets + std::string(200000, ']') + "}\n";
    }
    write(folder / "deep.jsonl", begin + deep +
                                     R"({"_step":1,"loss":2,"run":{"id":5}})"
                                     "\n");
    History history(folder / "deep.jsonl");
    history.read();
    EXPECT_EQ(history.id(), "a");
    EXPECT_EQ(history.series().at("loss").values, std::vector<double>{2});
  }
  write(folder / "b.jsonl", begin + R"({"_step":1,"loss":2})"
                                    "\n");
  History shrinking(folder / "b.jsonl");
  shrinking.read();
  write(folder / "b.jsonl", begin);
  shrinking.read();
  EXPECT_THAT(shrinking.problems(), ElementsAre(HasSubstr("has become shorter")));
  write(folder / "c.jsonl", begin + "no json\n");
  History broken(folder / "c.jsonl");
  broken.read();
  EXPECT_THAT(broken.problems(), ElementsAre(HasSubstr("line 2 is no JSON object")));
}

TEST_F(Tracking, AHistogramThatIsNoneIsRefusedAndNothingIsLogged) {
  const auto memory = std::make_shared<Memory>();
  auto run = init({.sinks = {memory}});
  EXPECT_THROW(run.log({{"a", 1}, {"h", Histogram{{0, 1}, {1, 2, 3}}}}), std::invalid_argument);
  EXPECT_THROW(run.log({{"h", Histogram{{}, {1}}}}), std::invalid_argument);
  run.log({{"b", 2}});
  run.log({{"c", 3}}, std::numeric_limits<std::int64_t>::max());
  run.log({{"d", 4}});
  run.log({{"e", 5}});
  run.finish();
  EXPECT_THAT(texts(*memory), ElementsAre("0: b=2", "9223372036854775807: c=3 d=4", "9223372036854775807: e=5"));
}

/// Does what a sink should not.
struct Bad : Sink {
  std::string name() const override { return "bad"; }
  void row(const Row&) override { on_row(); }
  void system(const Row&) override { throw 1; }
  std::function<void()> on_row = [] { throw 1; };
};

TEST_F(Tracking, ASinkThatMisbehavesLosesOnlyItsOwn) {
  const auto bad = std::make_shared<Bad>();
  const auto memory = std::make_shared<Memory>();
  auto run = init({.sinks = {bad, memory}, .system_metrics_interval = 0.01});
  run.log({{"a", 1}});
  bad->on_row = [&] { run.log({{"again", 1}}); };
  run.log({{"b", 1}});
  bad->on_row = [&] { run.finish(); };
  run.log({{"c", 1}});
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  run.finish();
  EXPECT_EQ(memory->rows.size(), 3u);
  EXPECT_THAT(problem_texts(run), ElementsAre(HasSubstr("bad: rows not written (3 times); first: it threw something"),
                                          HasSubstr("bad: system figures not written")));
}

TEST_F(Tracking, AForkedChildLeavesTheFilesAlone) {
  {
    auto run = init({.dir = folder, .sinks = {wandb_offline()}, .system_metrics_interval = 10});
    run.log({{"a", 1}});
    const pid_t child = ::fork();
    if (child == 0) {
      run.log({{"a", 99}});
      run.finish();
      ::_exit(0);
    }
    ::waitpid(child, nullptr, 0);
    run.log({{"a", 2}});
  }
  expect_valid_log(records_of(files_in(folder, ".wandb").front()), true);
  History history(folder);
  history.read();
  EXPECT_EQ(history.series().at("a").values, (std::vector<double>{1, 2}));
}

TEST_F(Tracking, StepMetricsGoIntoTheRowsThatNeedThem) {
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

TEST_F(Tracking, WhatIsNoRunIsRefused) {
  EXPECT_THROW(History(folder / "none"), std::runtime_error);
  EXPECT_THROW(History{folder}, std::runtime_error);
  write(folder / "a.txt", "hello");
  EXPECT_THROW(History(folder / "a.txt"), std::runtime_error);
}

}  // namespace
