// The threads that work on one matrix together. All of them call a kernel with the same arguments,
// and it distributes its loop with `each`.
#pragma once

#include <atomic>
#include <cstdint>

namespace muon::kernels {

/// A function compiled for several instruction sets, the best one chosen when the program starts.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12 && \
    defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define MUON_VECTORIZED \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define MUON_VECTORIZED
#endif

/// The shared state by which the threads of a team track their progress through one piece of work.
class Progress {
 public:
  /// Takes a task of `stage`: its number, or -1 if none of the `count` is left to take or the stage
  /// is over.
  std::int64_t take(std::uint64_t stage, std::int64_t count) {
    std::uint64_t now = now_.load(std::memory_order_acquire);
    while (stage_of(now) == stage && taken_of(now) < count) {
      if (now_.compare_exchange_weak(now, now + one_taken, std::memory_order_acq_rel,
                                     std::memory_order_acquire))
        return taken_of(now);
    }
    return -1;
  }

  /// One task of `stage` is done. The last one ends the stage.
  void finish(std::uint64_t stage, std::int64_t count) {
    const std::uint64_t before = now_.fetch_add(one_done, std::memory_order_acq_rel);
    if (done_of(before) + 1 < count) return;
    // all tasks are taken, so nobody else writes
    now_.store((stage + 1) << stage_shift, std::memory_order_release);
    now_.notify_all();
  }

  /// Returns when `stage` is over.
  void wait(std::uint64_t stage) {
    for (int i = 0; i < spins; ++i) {
      if (stage_of(now_.load(std::memory_order_acquire)) != stage) return;
      pause();
    }
    for (std::uint64_t now = now_.load(std::memory_order_acquire); stage_of(now) == stage;
         now = now_.load(std::memory_order_acquire)) {
      now_.wait(now, std::memory_order_acquire);
    }
  }

  /// At most one stage may fail.
  void fail(std::uint64_t stage) { failed_.store(stage, std::memory_order_relaxed); }
  bool failed(std::uint64_t stage) const {
    return failed_.load(std::memory_order_relaxed) == stage;
  }

  static constexpr std::int64_t most_tasks = (std::int64_t{1} << 20) - 1;

 private:
  // stage, tasks taken and tasks done in one word
  static constexpr int taken_shift = 20;
  static constexpr int stage_shift = 40;
  static constexpr std::uint64_t one_done = 1;
  static constexpr std::uint64_t one_taken = std::uint64_t{1} << taken_shift;
  static std::uint64_t stage_of(std::uint64_t now) { return now >> stage_shift; }
  static std::int64_t taken_of(std::uint64_t now) {
    return static_cast<std::int64_t>(now >> taken_shift) & most_tasks;
  }
  static std::int64_t done_of(std::uint64_t now) {
    return static_cast<std::int64_t>(now) & most_tasks;
  }

  /// Some tens of microseconds: longer than most waits on an idle machine, and short beside a turn
  /// of the scheduler.
  static constexpr int spins = 1000;
  static void pause() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }

  alignas(64) std::atomic<std::uint64_t> now_{0};
  std::atomic<std::uint64_t> failed_{~std::uint64_t{0}};
};

/// One of the threads that do a piece of work together, all of which make the same calls. Each call
/// is a stage, shared out in tasks. No thread waits for the others to *come*, only for tasks that
/// they have taken: a thread that the system has given no processor finds its stages done and
/// catches up. So what is computed for all must be written in a stage, into memory that no later
/// stage of the same work writes, and be read after it.
class Team {
 public:
  /// One thread, which never waits.
  Team() = default;
  /// One of `size` threads.
  Team(int size, Progress& progress) : size_(size), progress_(size > 1 ? &progress : nullptr) {}

  int size() const { return size_; }

  /// Calls work(0) .. work(count - 1), each by one of the threads, as they become free; returns
  /// when all are done.
  template <class Work>
  void each(std::int64_t count, const Work& work) const {
    if (progress_ == nullptr) {
      for (std::int64_t i = 0; i < count; ++i) work(i);
      return;
    }
    if (count <= 0) return;
    const std::int64_t together = (count - 1) / Progress::most_tasks + 1;
    const std::int64_t tasks = (count - 1) / together + 1;
    const std::uint64_t stage = stage_++;
    for (std::int64_t task; (task = progress_->take(stage, tasks)) >= 0;) {
      const std::int64_t end = task + 1 == tasks ? count : (task + 1) * together;
      for (std::int64_t i = task * together; i < end; ++i) work(i);
      progress_->finish(stage, tasks);
    }
    progress_->wait(stage);
  }

  /// Calls work() once; returns when it is done.
  template <class Work>
  void once(const Work& work) const {
    each(1, [&](std::int64_t) { work(); });
  }

  /// What work(), called once, returned. False at most once in a team's work.
  template <class Work>
  bool succeeds(const Work& work) const {
    if (progress_ == nullptr) return work();
    const std::uint64_t stage = stage_;
    once([&] {
      if (!work()) progress_->fail(stage);
    });
    return !progress_->failed(stage);
  }

 private:
  int size_ = 1;
  Progress* progress_ = nullptr;
  mutable std::uint64_t stage_ = 0;
};

}  // namespace muon::kernels
