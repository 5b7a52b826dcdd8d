// The histogram and the norm of a tensor, computed together.
#pragma once

#include <muon/track/value.hpp>

#include <cstdint>

namespace muon::track {

struct TensorStats {
  Histogram histogram;
  double norm = 0;  // Frobenius; not finite if a value is not
};

/// Computes both. The histogram is that of `histogram` in value.hpp.
TensorStats tensor_stats(const at::Tensor& tensor, std::int64_t bins);

}  // namespace muon::track
