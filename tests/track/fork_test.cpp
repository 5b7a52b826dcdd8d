// A forked child must neither wait, nor write, nor touch the parent's files, whatever the parent's
// threads were doing at the fork. Every child has an alarm, so that one that waits for ever fails
// its test.
#include "track/memory_sink.hpp"
#include "track/run_folder.hpp"
#include "track/wandb_records.hpp"

#include <muon/track/history.hpp>
#include <muon/track/jsonl.hpp>
#include <muon/track/run.hpp>
#include <muon/track/tensorboard.hpp>
#include <muon/track/watch.hpp>

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <torch/torch.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <future>
#include <thread>

namespace {

using namespace muon::track;
using namespace track_test;

class Forking : public InFolder {};

constexpr unsigned limit = 1800;  // seconds after which a child that hangs is ended

bool ended_well(pid_t child) {
  int status = 0;
  return ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/// Whether a child that does this comes to its end.
bool child_ends(const std::function<void()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(limit);
    try {
      body();
    } catch (...) {  // must not unwind into the tests
      ::_exit(2);
    }
    ::_exit(0);
  }
  return ended_well(child);
}

/// In a child: every call, and then the destructors.
void use_and_destroy(Run run, Watch watched, const torch::nn::Module& model) {
  run.log({{"child", 1}});
  run.log({{"child", 2}}, 1'000'000, true);
  run.config().update({{"child", 3}});
  run.define_metric({.name = "child"});
  watched.step();
  {
    auto another = watch(run, model, {.log = Log::all, .log_freq = 1});
    another.step();
  }
  if (!run.config().values().empty() || !run.problems().empty() || run.info().id.empty() ||
      run.sinks().empty())
    ::_exit(1);
  run.finish(3);
  run.log({{"child", 4}});
  run = init({.sinks = {}});  // a run of its own works
  run.log({{"own", 1}});
}

TEST_F(Forking, AChildWhoseParentSamplesTheSystem) {
  torch::nn::Linear model(2, 2);
  {
    auto run = init({.dir = folder, .sinks = {wandb_offline()}, .system_metrics_interval = 15});
    auto watched = watch(run, *model, {.log = Log::all, .log_freq = 1});
    for (int i = 0; i < 20; ++i) {
      run.log({{"a", i}});
      ASSERT_TRUE(child_ends([&] { use_and_destroy(std::move(run), std::move(watched), *model); }))
          << i;
    }
  }
  expect_valid_log(records_of(files_in(folder, ".wandb").front()), true);
  History history(folder);
  history.read();
  EXPECT_EQ(history.series().at("a").values.size(), 20u);
  EXPECT_EQ(history.series().count("child"), 0u);
}

/// Stays in a call until the test lets it go on.
struct Waiting : Memory {
  void row(const Row& row) override {
    Memory::row(row);
    if (rows.size() > 1) return;
    entered.set_value();
    go_on.get_future().wait();
  }
  std::promise<void> entered, go_on;
};

TEST_F(Forking, AChildWhoseParentIsWritingARow) {
  torch::nn::Linear model(2, 2);
  const auto waiting = std::make_shared<Waiting>();
  auto run = init({.sinks = {waiting}});
  auto watched = watch(run, *model, {.log = Log::all, .log_freq = 1});
  std::thread writer([&] { run.log({{"a", 1}}); });
  waiting->entered.get_future().wait();
  EXPECT_TRUE(child_ends([&] { use_and_destroy(std::move(run), std::move(watched), *model); }));
  waiting->go_on.set_value();
  writer.join();
  run.log({{"a", 2}});
  run.finish();
  EXPECT_THAT(texts(*waiting), testing::ElementsAre("0: a=1", "1: a=2"));
}

TEST_F(Forking, ChildrenOfAParentThatLogsHard) {
  torch::nn::Linear model(2, 2);
  std::atomic<bool> stop{false};
  std::int64_t logged = 0;
  {
    auto run =
        init({.dir = folder,
              .sinks = {wandb_offline(), tensorboard(folder / "tb"), jsonl(folder / "a.jsonl")},
              .system_metrics_interval = 0.001});
    auto watched = watch(run, *model, {.log = Log::all, .log_freq = 1});
    std::thread writer([&] {
      for (; !stop; ++logged) {
        run.log({{"a", logged}});
        run.config().update({{"n", logged}});
      }
    });
    for (int i = 0; i < 100 && !HasFailure(); ++i)
      EXPECT_TRUE(child_ends([&] { use_and_destroy(std::move(run), std::move(watched), *model); }))
          << i;
    stop = true;
    writer.join();
    EXPECT_THAT(problem_texts(run), testing::ElementsAre());
  }
  expect_valid_log(records_of(files_in(folder, ".wandb").front()), true);
  for (const char* part : {"wandb", "tb", "a.jsonl"}) {
    History history(folder / part);
    history.read();
    EXPECT_THAT(history.problems(), testing::ElementsAre()) << part;
    EXPECT_EQ(history.series().at("a").values.size(), static_cast<std::size_t>(logged)) << part;
    EXPECT_EQ(history.series().count("child"), 0u) << part;
    EXPECT_EQ(history.exit_code(), 0) << part;
  }
}

/// Forks in the middle of a row.
struct Forks : Sink {
  std::string name() const override { return "forks"; }
  void row(const Row&) override {
    child = ::fork();
    if (child == 0) ::alarm(limit);
    if (child > 0) ended = ended_well(child);
  }
  pid_t child = -1;
  bool ended = false;
};

TEST_F(Forking, AChildOfASinkDoesNotContinueToTheNext) {
  const auto forks = std::make_shared<Forks>();
  {
    auto run = init({.dir = folder, .sinks = {forks, jsonl(folder / "a.jsonl")}});
    run.log({{"a", 1}});
    if (forks->child == 0) {
      run.log({{"a", 2}});
      { const muon::track::Run gone = std::move(run); }
      ::_exit(0);
    }
  }
  EXPECT_TRUE(forks->ended);
  History history(folder / "a.jsonl");
  history.read();
  EXPECT_EQ(history.series().at("a").values, std::vector<double>{1});
}

}  // namespace
