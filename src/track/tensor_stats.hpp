// Histogram and norm of a tensor, at once.
#pragma once

#include <muon/track/value.hpp>

#include <cstdint>

namespace muon::track {

struct Counted {
  Histogram histogram;
  double norm = 0;  // Frobenius; not finite if a value is not
};

/// As `histogram`.
Counted count(const at::Tensor& tensor, std::int64_t bins);

}  // namespace muon::track
