#include <muon/track/value.hpp>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>
#include <stdexcept>

namespace muon::track {
namespace {

/// A flat tensor of values that `histc` takes, without a sparse tensor's implicit zeros, which are counted in `zeros`.
at::Tensor flat(const at::Tensor& tensor, std::int64_t& zeros) {
  at::Tensor values = tensor.detach();
  if (values.is_sparse()) {
    values = values.coalesce().values();
    zeros = tensor.numel() - values.numel();
  }
  if (values.scalar_type() != at::kDouble) values = values.to(at::kFloat);
  return values.reshape(-1);
}

struct Range {
  double least, greatest;
};

Range range_of(const at::Tensor& values) {
  const auto [least, greatest] = values.aminmax();
  const at::Tensor both = at::stack({least, greatest}).to(at::kCPU, at::kDouble);
  return {both[0].item<double>(), both[1].item<double>()};
}

}  // namespace

Value::Value(const at::Tensor& scalar) {
  if (!scalar.defined() || scalar.numel() != 1) {
    throw std::invalid_argument(fmt::format("[track] a tensor of one value can be logged; got {}",
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
  if (bins < 1 || bins > 512) throw std::invalid_argument(fmt::format("[track] bins must be in 1 to 512; got {}", bins));
  if (!tensor.defined() || tensor.is_complex())
    throw std::invalid_argument("[track] a histogram needs a defined tensor of real values");
  const c10::NoGradGuard no_grad;
  std::int64_t zeros = 0;
  at::Tensor values = flat(tensor, zeros);
  if (values.numel() == 0 && zeros == 0) return {};
  Range range{0, 0};
  if (values.numel() > 0) {
    range = range_of(values);
    if (!std::isfinite(range.least) || !std::isfinite(range.greatest)) {
      values = values.masked_select(values.isfinite());
      if (values.numel() > 0) range = range_of(values);
    }
  }
  if (values.numel() == 0 && zeros == 0) return {};
  if (zeros > 0) range = values.numel() == 0 ? Range{0, 0} : Range{std::min(range.least, 0.0), std::max(range.greatest, 0.0)};
  if (range.least == range.greatest) return {{range.least, range.greatest}, {values.numel() + zeros}};

  const at::Tensor counts = at::histc(values, bins, range.least, range.greatest).to(at::kCPU, at::kLong);
  Histogram result;
  result.counts.assign(counts.data_ptr<std::int64_t>(), counts.data_ptr<std::int64_t>() + bins);
  const double width = (range.greatest - range.least) / static_cast<double>(bins);
  for (std::int64_t i = 0; i < bins; ++i) result.edges.push_back(range.least + width * static_cast<double>(i));
  result.edges.push_back(range.greatest);
  if (zeros > 0) {
    const auto bin = static_cast<std::size_t>(std::min(bins - 1, static_cast<std::int64_t>(-range.least / width)));
    result.counts[bin] += zeros;
  }
  return result;
}

}  // namespace muon::track
