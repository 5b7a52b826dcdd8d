// Keeps BLAS to one thread, whichever BLAS it is.
#pragma once

namespace muon::kernels {

/// While one exists, BLAS calls run in the thread that makes them. OpenBLAS built for OpenMP, MKL
/// on the same OpenMP and the reference BLAS do so by themselves inside a parallel region of two
/// threads or more; with `alone`, there is none, and OpenMP is set to one thread for the caller.
/// OpenBLAS with a thread pool of its own is set to one thread. The destructor restores all
/// settings.
class OneBlasThread {
 public:
  explicit OneBlasThread(bool alone);
  ~OneBlasThread();
  OneBlasThread(const OneBlasThread&) = delete;
  OneBlasThread& operator=(const OneBlasThread&) = delete;

 private:
  int openmp_ = 0;  // threads before; 0: not changed
};

}  // namespace muon::kernels
