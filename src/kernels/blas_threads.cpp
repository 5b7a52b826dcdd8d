#include "kernels/blas_threads.hpp"

#include <omp.h>

#include <mutex>

// OpenBLAS's own functions; null if another BLAS is linked.
extern "C" {
__attribute__((weak)) int openblas_get_parallel(void);  // 0 none, 1 threads of its own, 2 OpenMP
__attribute__((weak)) int openblas_get_num_threads(void);
__attribute__((weak)) void openblas_set_num_threads(int);
}

namespace muon::kernels {
namespace {

// OpenBLAS has one thread count for the whole process. The first user sets it to one, and the last
// restores it.
std::mutex mutex;
int users = 0;
int before = 0;

bool has_threads_of_its_own() {
  return openblas_get_parallel != nullptr && openblas_get_num_threads != nullptr &&
         openblas_set_num_threads != nullptr && openblas_get_parallel() == 1;
}

}  // namespace

OneBlasThread::OneBlasThread(bool alone) {
  if (alone && omp_get_max_threads() != 1) {
    openmp_ = omp_get_max_threads();
    omp_set_num_threads(1);
  }
  if (!has_threads_of_its_own()) return;
  const std::lock_guard lock(mutex);
  if (users++ > 0) return;
  before = openblas_get_num_threads();
  openblas_set_num_threads(1);
}

OneBlasThread::~OneBlasThread() {
  if (openmp_ != 0) omp_set_num_threads(openmp_);
  if (!has_threads_of_its_own()) return;
  const std::lock_guard lock(mutex);
  if (--users == 0) openblas_set_num_threads(before);
}

}  // namespace muon::kernels
