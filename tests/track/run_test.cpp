// Rows and steps as in W&B, options, and sinks that misbehave.
#include "track/memory_sink.hpp"
#include "track/run_folder.hpp"

#include <muon/track/history.hpp>
#include <muon/track/jsonl.hpp>
#include <muon/track/run.hpp>

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <cmath>
#include <functional>
#include <future>
#include <limits>
#include <map>
#include <thread>
#include <utility>

namespace {

using namespace muon::track;
using namespace track_test;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class Tracking : public InFolder {};

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
  EXPECT_THAT(texts(*memory),
              ElementsAre("0: a=1", "1: a=4 b=3", "7: c=5 d=6", "8: e=7", R"(9: g={"x":1,"y":2})"));
  EXPECT_EQ(memory->exit_code, 3);
  EXPECT_EQ(memory->last.values.size(), 6u);
  EXPECT_THAT(problem_texts(run),
              ElementsAre(AllOf(HasSubstr("log calls with a step smaller than the one before, "
                                          "whose values were dropped (once)"),
                                HasSubstr("step 3 after step 9"))));
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
  EXPECT_EQ(fs::read_symlink(folder / "wandb/latest-run").string(),
            "offline-run-" + run.info().stamp + "-abc");
  // the same id in the same second: never appended to; a second may just have ended, so it is tried
  // again
  bool refused = false;
  for (int i = 0; i < 1000 && !refused; ++i) {
    try {
      (void)init({});
    } catch (const std::runtime_error&) {
      refused = true;
    }
  }
  EXPECT_TRUE(refused);
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
  EXPECT_THAT(error({}), HasSubstr("cannot be created"));
  const auto memory = std::make_shared<Memory>();
  EXPECT_THAT(error({.sinks = {memory, jsonl(folder / "wandb")}}), HasSubstr("already exists"));
  EXPECT_EQ(memory->exit_code, 1);  // begun, and not left open
  auto run = init({.sinks = {}});
  EXPECT_THROW(run.define_metric({.name = "a*b"}), std::invalid_argument);
  EXPECT_THROW(run.define_metric({.name = "a", .summary = static_cast<MetricSummary>(99)}),
               std::invalid_argument);
  EXPECT_THROW(run.define_metric({.name = "a", .goal = static_cast<MetricGoal>(99)}),
               std::invalid_argument);
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
    for (const auto& [name, series] : history.series())
      EXPECT_EQ(series.values.size(), 200u) << name;
  }
}

TEST_F(Tracking, AnInvalidHistogramIsRefusedAndNothingIsLogged) {
  const auto memory = std::make_shared<Memory>();
  auto run = init({.sinks = {memory}});
  EXPECT_THROW(run.log({{"a", 1}, {"h", Histogram{{0, 1}, {1, 2, 3}}}}), std::invalid_argument);
  const double infinity = std::numeric_limits<double>::infinity();
  for (const Histogram& histogram :
       {Histogram{{}, {1}}, Histogram{{0, infinity}, {1}}, Histogram{{0, std::nan(""), 2}, {1, 1}},
        Histogram{{2, 1}, {1}}, Histogram{{1, 2}, {-1}}})
    EXPECT_THROW(run.log({{"deep", List{Object{{"h", histogram}}}}}), std::invalid_argument);
  run.log({{"b", 2}});
  run.log({{"c", 3}}, std::numeric_limits<std::int64_t>::max());
  run.log({{"d", 4}});
  run.log({{"e", 5}});
  run.finish();
  EXPECT_THAT(texts(*memory),
              ElementsAre("0: b=2", "9223372036854775807: c=3 d=4", "9223372036854775807: e=5"));
}

/// Does what a sink should not.
struct Bad : Sink {
  std::string name() const override { return "bad"; }
  void row(const Row&) override { on_row(); }
  void system(const Row&) override {
    if (!std::exchange(sampled, true)) sample.set_value();
    throw 1;
  }
  std::function<void()> on_row = [] { throw 1; };
  std::promise<void> sample;
  bool sampled = false;
};

TEST_F(Tracking, ASinkThatMisbehavesLosesOnlyItsOwn) {
  const auto bad = std::make_shared<Bad>();
  const auto memory = std::make_shared<Memory>();
  auto run = init({.sinks = {bad, memory}, .system_metrics_interval = 0.001});
  run.log({{"a", 1}});
  bad->on_row = [&] { run.log({{"again", 1}}); };
  run.log({{"b", 1}});
  bad->on_row = [&] { run.finish(); };
  run.log({{"c", 1}});
  bad->sample.get_future().wait();
  run.finish();
  EXPECT_EQ(memory->rows.size(), 3u);
  EXPECT_THAT(problem_texts(run),
              ElementsAre(HasSubstr("bad: rows not written (3 times); first: it threw something"),
                          HasSubstr("bad: system metrics not written")));
}

}  // namespace
