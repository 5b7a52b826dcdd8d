// BLAS in one thread, whichever BLAS it is.
#pragma once

namespace muon::kernels {

/// While one exists, BLAS calls run in the thread that makes them. OpenBLAS built for OpenMP, MKL and the reference BLAS do so by
/// themselves inside a parallel region; OpenBLAS with threads of its own must be told, and is set back afterwards.
class OneBlasThread {
 public:
  OneBlasThread();
  ~OneBlasThread();
  OneBlasThread(const OneBlasThread&) = delete;
  OneBlasThread& operator=(const OneBlasThread&) = delete;
};

}  // namespace muon::kernels
