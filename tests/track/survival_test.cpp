// A process that is killed: what log returned from is in the files, in order, and the rest of the
// file is a torn tail at most.
#include "track/run_folder.hpp"

#include <muon/track/history.hpp>
#include <muon/track/jsonl.hpp>
#include <muon/track/run.hpp>
#include <muon/track/tensorboard.hpp>

#include <csignal>
#include <gmock/gmock.h>
#include <random>
#include <sys/wait.h>
#include <thread>

namespace {

using namespace muon::track;
using namespace track_test;

class Survival : public InFolder {};

/// Logs until it is killed, and reports each logged step through the pipe.
[[noreturn]] void log_forever(const fs::path& folder, int pipe) {
  auto run =
      init({.dir = folder,
            .sinks = {wandb_offline(), tensorboard(folder / "tb"), jsonl(folder / "a.jsonl")}});
  const std::string text(3000, 'x');  // so that records cross blocks
  for (std::int64_t step = 0;; ++step) {
    run.log({{"step", step}, {"text", text}});
    if (::write(pipe, &step, sizeof step) != sizeof step) ::_exit(1);
  }
}

TEST_F(Survival, KilledAtRandomMomentsOf200Runs) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    const fs::path run = folder / std::to_string(round);
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      ::close(ends[0]);
      log_forever(run, ends[1]);
    }
    ::close(ends[1]);
    std::int64_t reported = -1, step = 0;
    for (int rows = static_cast<int>(random() % 60);
         reported < rows && ::read(ends[0], &step, sizeof step) == sizeof step;)
      reported = step;
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 300));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    while (::read(ends[0], &step, sizeof step) == sizeof step) reported = step;
    ::close(ends[0]);
    for (const char* part : {"wandb", "tb", "a.jsonl"}) {
      History history(run / part);
      history.read();
      ASSERT_THAT(history.problems(), testing::ElementsAre()) << part;
      ASSERT_FALSE(history.exit_code().has_value());
      const Series& steps = history.series().at("step");
      ASSERT_GE(static_cast<std::int64_t>(steps.steps.size()), reported + 1) << part;
      for (std::size_t i = 0; i < steps.steps.size(); ++i) {
        ASSERT_EQ(steps.steps[i], static_cast<std::int64_t>(i));
        ASSERT_EQ(steps.values[i], static_cast<double>(i));
      }
    }
    fs::remove_all(run);
  }
}

}  // namespace
