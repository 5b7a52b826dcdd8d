// Tells the thread sanitizer what GCC's OpenMP library orders.
//
// libgomp is not instrumented and waits by futexes of its own, so the sanitizer does not know that
// a parallel region begins after what was before it, or that a barrier separates two loops, and
// reports every use of OpenMP as a race. This library stands before libgomp (LD_PRELOAD): each
// entry point tells the sanitizer of the order that it makes, and calls libgomp's own.
//
// Known are the entry points of parallel regions, worksharing loops, sections, barriers, critical
// sections and atomics, which is what the library and LibTorch's headers use. Not known are tasks
// and omp_set_lock, for which reports would be false.
//
// Nothing is hidden that OpenMP does not order: the order of a barrier is told a little too wide (a
// thread that has already left one barrier and comes to the next of the same region is ordered
// before one that is still leaving the first), never too narrow.
//
// A program without the sanitizer runs as ever: the two functions below are then not there.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>

extern "C" {
// of libtsan
__attribute__((weak)) void __tsan_acquire(void* address);
__attribute__((weak)) void __tsan_release(void* address);
}

namespace {

/// What is done at `address` before a release is before what is done after a later acquire of it.
void acquire(void* address) {
  if (__tsan_acquire != nullptr) __tsan_acquire(address);
}
void release(void* address) {
  if (__tsan_release != nullptr) __tsan_release(address);
}

/// libgomp's function of this name and type.
template <class Function>
Function* next(const char* name) {
  void* found = dlsym(RTLD_NEXT, name);
  if (found == nullptr) {
    std::fprintf(stderr, "openmp_for_tsan: libgomp has no %s\n", name);
    std::abort();
  }
  return reinterpret_cast<Function*>(found);
}

/// A parallel region: what its threads call instead of the program's function. The addresses of the
/// last three stand for the order.
struct Region {
  void (*function)(void*);
  void* data;
  char begins = 0;
  char ends = 0;
  char barrier = 0;
};

/// The region that this thread is in; null outside.
thread_local Region* current = nullptr;

void in_region(void* pointer) {
  Region* const outer = current;
  current = static_cast<Region*>(pointer);
  acquire(&current->begins);
  current->function(current->data);
  release(&current->ends);
  current = outer;
}

/// `call` runs in_region(&region) in every thread and returns when all have.
template <class Call>
void run(void (*function)(void*), void* data, const Call& call) {
  Region region{function, data};
  release(&region.begins);
  call(&region);
  acquire(&region.ends);
}

/// `call` returns when all threads of the region have called it.
template <class Call>
void meet(const Call& call) {
  if (current == nullptr) {
    call();
    return;
  }
  char* const barrier = &current->barrier;
  release(barrier);
  call();
  acquire(barrier);
}

char unnamed_critical, atomics;

}  // namespace

extern "C" {

using Work = void(void*);

void GOMP_parallel(Work* work, void* data, unsigned threads, unsigned flags) {
  static auto* const real = next<void(Work*, void*, unsigned, unsigned)>("GOMP_parallel");
  run(work, data, [&](Region* region) { real(in_region, region, threads, flags); });
}

void GOMP_parallel_sections(Work* work, void* data, unsigned threads, unsigned count,
                            unsigned flags) {
  static auto* const real =
      next<void(Work*, void*, unsigned, unsigned, unsigned)>("GOMP_parallel_sections");
  run(work, data, [&](Region* region) { real(in_region, region, threads, count, flags); });
}

#define LOOP_WITH_CHUNK(name)                                                                      \
  void name(Work* work, void* data, unsigned threads, long start, long end, long step, long chunk, \
            unsigned flags) {                                                                      \
    static auto* const real =                                                                      \
        next<void(Work*, void*, unsigned, long, long, long, long, unsigned)>(#name);               \
    run(work, data, [&](Region* region) {                                                          \
      real(in_region, region, threads, start, end, step, chunk, flags);                            \
    });                                                                                            \
  }
LOOP_WITH_CHUNK(GOMP_parallel_loop_static)
LOOP_WITH_CHUNK(GOMP_parallel_loop_dynamic)
LOOP_WITH_CHUNK(GOMP_parallel_loop_guided)
LOOP_WITH_CHUNK(GOMP_parallel_loop_nonmonotonic_dynamic)
LOOP_WITH_CHUNK(GOMP_parallel_loop_nonmonotonic_guided)

#define LOOP_AT_RUN_TIME(name)                                                               \
  void name(Work* work, void* data, unsigned threads, long start, long end, long step,       \
            unsigned flags) {                                                                \
    static auto* const real =                                                                \
        next<void(Work*, void*, unsigned, long, long, long, unsigned)>(#name);               \
    run(work, data,                                                                          \
        [&](Region* region) { real(in_region, region, threads, start, end, step, flags); }); \
  }
LOOP_AT_RUN_TIME(GOMP_parallel_loop_runtime)
LOOP_AT_RUN_TIME(GOMP_parallel_loop_nonmonotonic_runtime)
LOOP_AT_RUN_TIME(GOMP_parallel_loop_maybe_nonmonotonic_runtime)

#define MEETING(name)                              \
  void name() {                                    \
    static auto* const real = next<void()>(#name); \
    meet([&] { real(); });                         \
  }
MEETING(GOMP_barrier)
MEETING(GOMP_loop_end)
MEETING(GOMP_sections_end)

// A cancelled region ends early; the values returned say so.
bool GOMP_barrier_cancel() {
  static auto* const real = next<bool()>("GOMP_barrier_cancel");
  bool cancelled = false;
  meet([&] { cancelled = real(); });
  return cancelled;
}

// `single copyprivate`: the thread that is given the work hands its data to all others.
void* GOMP_single_copy_start() {
  static auto* const real = next<void*()>("GOMP_single_copy_start");
  if (current != nullptr) release(&current->barrier);
  void* const data = real();
  if (data != nullptr && current != nullptr) acquire(&current->barrier);
  return data;
}
void GOMP_single_copy_end(void* data) {
  static auto* const real = next<void(void*)>("GOMP_single_copy_end");
  meet([&] { real(data); });
}

#define EXCLUSIVE(start, end, lock)                 \
  void start() {                                    \
    static auto* const real = next<void()>(#start); \
    real();                                         \
    acquire(&(lock));                               \
  }                                                 \
  void end() {                                      \
    static auto* const real = next<void()>(#end);   \
    release(&(lock));                               \
    real();                                         \
  }
EXCLUSIVE(GOMP_critical_start, GOMP_critical_end, unnamed_critical)
EXCLUSIVE(GOMP_atomic_start, GOMP_atomic_end, atomics)

void GOMP_critical_name_start(void** name) {
  static auto* const real = next<void(void**)>("GOMP_critical_name_start");
  real(name);
  acquire(name);
}
void GOMP_critical_name_end(void** name) {
  static auto* const real = next<void(void**)>("GOMP_critical_name_end");
  release(name);
  real(name);
}

}  // extern "C"
