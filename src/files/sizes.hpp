// Arithmetic on the sizes of tensors as files and callers give them, which may be any numbers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>

namespace muon {

/// The product of the sizes, with a size of 0 counted as 1. If it fits in 64 bits, so does the
/// product of any subset, from which LibTorch computes strides. None if a size is negative or the
/// product does not fit in 64 bits.
inline std::optional<std::int64_t> extent_of_sizes(std::span<const std::int64_t> sizes) {
  std::int64_t product = 1;
  for (const std::int64_t size : sizes) {
    if (size < 0 || __builtin_mul_overflow(product, std::max<std::int64_t>(size, 1), &product))
      return std::nullopt;
  }
  return product;
}

/// The number of values in a tensor of these sizes, saturated at the largest 64-bit number.
inline std::int64_t count_values(std::span<const std::int64_t> sizes) {
  if (std::find(sizes.begin(), sizes.end(), 0) != sizes.end()) return 0;
  return extent_of_sizes(sizes).value_or(std::numeric_limits<std::int64_t>::max());
}

/// left + right for numbers of at least 0, saturated at the largest 64-bit number.
inline std::int64_t saturating_sum(std::int64_t left, std::int64_t right) {
  std::int64_t sum = 0;
  return __builtin_add_overflow(left, right, &sum) ? std::numeric_limits<std::int64_t>::max() : sum;
}

}  // namespace muon
