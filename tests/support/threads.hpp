// LibTorch's threads in tests.
#pragma once

#include <torch/torch.h>

/// While one exists, LibTorch has that many threads. References are computed by one, which does not
/// wait for another that the machine may be busy without.
class Threads {
 public:
  explicit Threads(int count) { torch::set_num_threads(count); }
  ~Threads() { torch::set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_ = torch::get_num_threads();
};
