// The histogram and the norm of a tensor, in one go.
#pragma once

#include <muon/track/value.hpp>

#include <cstdint>

namespace muon::track {

struct Counted {
  Histogram histogram;
  double norm = 0;  // Frobenius; not finite if a value is not
};

/// Measures a tensor. The histogram is that of `histogram` in value.hpp.
Counted count(const at::Tensor& tensor, std::int64_t bins);

}  // namespace muon::track
