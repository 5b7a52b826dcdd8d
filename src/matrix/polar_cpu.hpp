// Orthogonalization on a CPU: matrices in memory, BLAS in one thread, threads of our own over
// matrices or within one.
#pragma once

#include <muon/matrix/orthogonalize.hpp>

#include "kernels/symmetric.hpp"
#include "kernels/workspace.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace muon {

/// result <- beta result + alpha polar(x). `x` and `result` have the same rows and columns, and
/// both may be transposed: the orthogonal factor of the transposed matrix is the transposed factor.
template <class T>
struct PolarJob {
  kernels::MatrixRef<const T> x;  // or, if null, what `fill` writes

  /// Writes rows [first, last) of x to `x`. Called once for every row, by any of the threads.
  std::function<void(const kernels::MatrixRef<T>& x, std::int64_t first, std::int64_t last)> fill;

  kernels::MatrixRef<T> result;
  double alpha = 1;
  double beta = 0;

  const OrthogonalizeOptions* options = nullptr;
  Method method = Method::dwh2;  // never automatic
};

/// Jobs, and how they are shared out over at most `threads` threads, which depends on their costs:
/// many matrices each by one thread, a matrix that is a large part of the work by all of them
/// together.
///
/// Threads  OpenMP's, the pool that LibTorch uses as well. BLAS is only ever called from inside a
///          parallel region, or with its own threads set to one, so two pools never wait for each
///          other.
/// Errors   std::bad_alloc from the constructor and `reserve`; `run` allocates nothing.
template <class T>
class PolarBatch {
 public:
  PolarBatch(std::vector<PolarJob<T>> jobs, int threads);
  ~PolarBatch();
  PolarBatch(PolarBatch&&) noexcept;

  /// Grows `workspace` to what `run` needs.
  void reserve(kernels::Workspace& workspace) const;
  void run(kernels::Workspace& workspace);

 private:
  struct Shared;

  std::vector<PolarJob<T>> jobs_;  // the most expensive first
  std::size_t together_ = 0;       // how many of them are done by all threads together
  std::size_t team_bytes_ = 0;     // of work memory for one of those
  std::size_t single_bytes_ = 0;   // and for one of the others
  int threads_;
  std::vector<Shared> shared_;
  std::vector<NewtonSchulzStep> fallback_;
};

}  // namespace muon
