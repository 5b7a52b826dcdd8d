// Orthogonalization on a CPU: matrices in memory, BLAS in one thread, threads of our own over matrices or within one.
#pragma once

#include "kernels/symmetric.hpp"
#include "kernels/workspace.hpp"

#include <muon/matrix/orthogonalize.hpp>

#include <cstdint>
#include <vector>

namespace muon {

/// result <- keep result + factor polar(x), where x is a matrix, or the momentum that a gradient has just moved. All have the
/// same rows and columns, in any of the two orders: the orthogonal factor of the transposed is the transposed factor.
template <class T>
struct PolarJob {
  kernels::Rectangle<const T> x;         // or, if null:
  kernels::Rectangle<const T> gradient;  // moves the buffer
  kernels::Rectangle<T> buffer;
  double momentum = 0;
  bool nesterov = false;

  kernels::Rectangle<T> result;
  double factor = 1;
  double keep = 0;

  const OrthogonalizeOptions* how = nullptr;
};

/// Does all jobs on at most `threads` threads, in an order and with a division of threads that depend on their costs: many
/// matrices each by one thread, a matrix that is a large part of the work by all of them together.
///
/// Threads  OpenMP's, the pool that LibTorch uses as well. BLAS is only ever called from inside a parallel region, or with its
/// own
///          threads set to one, so two pools never wait for each other.
/// Errors   std::bad_alloc before anything was changed.
template <class T>
void run_polar_jobs(std::vector<PolarJob<T>> jobs, kernels::Workspace& workspace, int threads);

}  // namespace muon
