// The threads that work on one matrix together. A kernel is called by all of them with the same arguments and shares its loop
// out through `each`. Only for files compiled with OpenMP; without it every team is one thread.
#pragma once

#include <cstdint>

namespace muon::kernels {

/// A function compiled for several instruction sets, the best one chosen when the program starts.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12 && defined(__GLIBC__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define MUON_VECTORIZED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define MUON_VECTORIZED
#endif

class Team {
 public:
  /// `size` threads of the parallel region the caller is in, all of which make the same calls. With 1, the calls never wait and
  /// may be made anywhere, inside another team's region too.
  explicit Team(int size) : size_(size) {}

  int size() const { return size_; }

  /// Calls work(0) .. work(count - 1), each by one of the threads, as they become free; returns when all are done.
  template <class Work>
  void each(std::int64_t count, const Work& work) const {
    if (size_ == 1) {
      for (std::int64_t i = 0; i < count; ++i) work(i);
      return;
    }
#pragma omp for schedule(dynamic, 1)
    for (std::int64_t i = 0; i < count; ++i) work(i);
  }

  /// Calls work() once; returns when it is done.
  template <class Work>
  void once(const Work& work) const {
    if (size_ == 1) return work();
#pragma omp single
    work();
  }

 private:
  int size_;
};

}  // namespace muon::kernels
