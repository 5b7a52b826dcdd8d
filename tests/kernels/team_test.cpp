// Threads that share stages of work: each task once, nobody waits for a thread that does not come,
// all see the same results.
#include "kernels/team.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <thread>
#include <vector>

namespace {

using muon::kernels::Progress;
using muon::kernels::Team;

/// What one thread saw.
struct Seen {
  std::vector<double> values;
  bool failed = false;
};

/// Stages of sums that each need the one before whole; the stage `failing` reports failure, and the
/// rest then goes another way.
struct Work {
  explicit Work(int stages) : sums(static_cast<std::size_t>(stages)), terms(64, 1.0) {}

  Seen run(const Team& team, int failing) {
    Seen seen;
    for (std::size_t stage = 0; stage < sums.size(); ++stage) {
      team.each(static_cast<std::int64_t>(terms.size()),
                [&](std::int64_t i) { terms[static_cast<std::size_t>(i)] += 1; });
      team.once([&] { sums[stage] = std::accumulate(terms.begin(), terms.end(), 0.0); });
      seen.values.push_back(sums[stage]);
      if (!team.succeeds([&] { return static_cast<int>(stage) != failing; })) {
        seen.failed = true;
        team.each(3, [&](std::int64_t) { ++after; });
        return seen;
      }
    }
    return seen;
  }

  std::vector<double> sums;
  std::vector<double> terms;
  std::atomic<int> after{0};
};

TEST(Team, OneThreadDoesAllInOrder) {
  std::vector<std::int64_t> order;
  Team().each(5, [&](std::int64_t i) { order.push_back(i); });
  EXPECT_EQ(order, (std::vector<std::int64_t>{0, 1, 2, 3, 4}));
  EXPECT_FALSE(Team().succeeds([] { return false; }));
}

TEST(Team, EveryTaskIsDoneOnceAndEveryThreadSeesTheSame) {
  for (const int threads : {2, 3, 8}) {
    for (const int failing : {-1, 0, 57}) {
      constexpr int stages = 200;
      Progress progress;
      Work work(stages);
      std::vector<Seen> seen(static_cast<std::size_t>(threads));
      std::vector<std::thread> pool;
      for (Seen& mine : seen)
        pool.emplace_back([&] { mine = work.run(Team(threads, progress), failing); });
      for (std::thread& thread : pool) thread.join();
      for (const Seen& mine : seen) {
        ASSERT_EQ(mine.failed, failing >= 0);
        ASSERT_EQ(mine.values.size(),
                  static_cast<std::size_t>(failing >= 0 ? failing + 1 : stages));
        for (std::size_t i = 0; i < mine.values.size(); ++i)
          ASSERT_EQ(mine.values[i], 64.0 * static_cast<double>(i + 2));
      }
      ASSERT_EQ(work.after, failing >= 0 ? 3 : 0);
    }
  }
}

TEST(Team, DoesNotWaitForAThreadThatDoesNotCome) {
  Progress progress;
  Work work(50);
  const Seen first = work.run(Team(2, progress), 20);  // alone, in a team of two
  const Seen late = work.run(Team(2, progress), 20);   // comes when all is done, and does nothing
  EXPECT_EQ(first.values, late.values);
  EXPECT_TRUE(late.failed);
  EXPECT_EQ(work.after, 3);
}

TEST(Team, ManyTasksGoTogether) {
  constexpr std::int64_t count = 3 * Progress::most_tasks + 5;
  Progress progress;
  std::vector<unsigned char> calls(count);
  std::thread other([&] {
    Team(2, progress).each(count, [&](std::int64_t i) { ++calls[static_cast<std::size_t>(i)]; });
  });
  Team(2, progress).each(count, [&](std::int64_t i) { ++calls[static_cast<std::size_t>(i)]; });
  other.join();
  EXPECT_EQ(std::count(calls.begin(), calls.end(), 1), count);
}

TEST(Team, NoTasksIsNoStage) {
  Progress progress;
  const Team team(2, progress);
  team.each(0, [](std::int64_t) { FAIL(); });
  int calls = 0;
  team.once([&] { ++calls; });
  EXPECT_EQ(calls, 1);
}

}  // namespace
