#include <muon/track/value.hpp>

#include "track/tensor_stats.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <stdexcept>

namespace muon::track {
Value::Value(const at::Tensor& scalar) {
  if (!scalar.defined() || scalar.numel() != 1) {
    throw std::invalid_argument(fmt::format(
        "[track] a tensor of one value can be logged; got {}",
        scalar.defined() ? fmt::format("{} values", scalar.numel()) : "an undefined one"));
  }
  const at::Scalar value = scalar.item();
  if (value.isComplex()) throw std::invalid_argument("[track] a complex value cannot be logged");
  if (value.isBoolean()) {
    value_ = value.toBool();
  } else if (value.isIntegral(/*includeBool=*/false)) {
    value_ = static_cast<std::int64_t>(value.toLong());
  } else {
    value_ = value.toDouble();
  }
}

Histogram histogram(const at::Tensor& tensor, std::int64_t bins) {
  return tensor_stats(tensor, bins).histogram;
}

}  // namespace muon::track
