// What the threads of a parallel region may count on: nothing is allocated there, where running out
// of memory would end the process, and a small stack is enough. In the program of memory_test.cpp,
// since it replaces operator new for the whole program.
#include "support/tensors.hpp"
#include "support/threads.hpp"

#include <muon/muon.hpp>

#include <gtest/gtest.h>
#include <omp.h>
#include <pthread.h>
#include <torch/torch.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>
#include <string>

namespace {

std::atomic<int> allocations_in_regions{0};

void* allocate(std::size_t size, std::size_t alignment) {
  if (omp_in_parallel() != 0) ++allocations_in_regions;
  void* memory = nullptr;
  if (::posix_memalign(&memory, alignment, size) != 0) throw std::bad_alloc();
  return memory;
}

}  // namespace

// not inlined, so that the compiler sees pairs of new and delete and not of new and free
[[gnu::noinline]] void* operator new(std::size_t size) {
  return allocate(size, alignof(std::max_align_t));
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<std::size_t>(alignment));
}
// a sanitizer has a form of its own, which would not match the operator delete below
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  try {
    return allocate(size, alignof(std::max_align_t));
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}

namespace {

using muon::Method;

/// Matrices for one thread each, and one that is large enough for all threads together.
void orthogonalize_all(torch::ScalarType type) {
  torch::manual_seed(0);
  const auto options = torch::dtype(type);
  for (const Method method :
       {Method::newton_schulz, Method::dwh2, Method::zolotarev2, Method::zolotarev3}) {
    (void)muon::orthogonalize(torch::randn({16, 130, 140}, options), {.method = method});
    (void)muon::orthogonalize(torch::randn({400, 410}, options), {.method = method});
  }
}

TEST(ParallelRegion, AllocatesNothing) {
  const Threads threads(4);
  const Tensors p{torch::randn({400, 410}).requires_grad_(),
                  torch::randn({40, 30}).requires_grad_(), torch::randn({20, 60}).requires_grad_(),
                  torch::randn({50'000}).requires_grad_()};
  muon::MuonWithAuxAdam optimizer({muon::ParamGroup({p[0], p[1], p[2]}, muon::default_muon()),
                                   muon::ParamGroup({p[3]}, torch::optim::AdamWOptions())});
  allocations_in_regions = 0;
#pragma omp parallel num_threads(2)
  ::operator delete(::operator new(1));
  EXPECT_GE(allocations_in_regions, 2) << "allocations are not counted";

  allocations_in_regions = 0;
  orthogonalize_all(torch::kFloat32);
  orthogonalize_all(torch::kFloat64);
  random_gradients(p);
  optimizer.step();
  EXPECT_EQ(allocations_in_regions, 0);
}

/// The least size that a thread's stack may have here: glibc keeps the thread-local variables of all
/// libraries in it.
std::size_t least_stack() {
  for (std::size_t size = 16 << 10;; size += 4 << 10) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_t thread;
    const bool created = pthread_attr_setstacksize(&attributes, size) == 0 &&
                         pthread_create(
                             &thread, &attributes, [](void* p) { return p; }, nullptr) == 0;
    pthread_attr_destroy(&attributes);
    if (!created) continue;
    pthread_join(thread, nullptr);
    return size;
  }
}

/// 56 KB beyond what every thread needs: less than two blocks of 64 x 64 doubles. OMP_STACKSIZE is
/// read when a program starts, so this one is started once more.
TEST(ParallelRegion, NeedsLittleStack) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer needs more stack itself";
#endif
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const std::size_t size = least_stack() + (56 << 10);
  ::setenv("OMP_STACKSIZE", (std::to_string(size) + "B").c_str(), 1);
  EXPECT_EXIT(
      {
        torch::set_num_threads(4);
        orthogonalize_all(torch::kFloat32);
        orthogonalize_all(torch::kFloat64);
        ::_exit(0);
      },
      testing::ExitedWithCode(0), "");
  ::unsetenv("OMP_STACKSIZE");
}

}  // namespace
