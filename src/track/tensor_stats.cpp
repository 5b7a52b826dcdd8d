#include "track/tensor_stats.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <utility>

namespace muon::track {
namespace {

struct Range {
  double least = 0, greatest = 0, norm = 0;
  bool finite = true;  // all values are
};

using Counts = std::vector<std::int64_t>;

// ---- a CPU's: histc takes ten nanoseconds a value, these two loops four ----

template <class T>
Range range_of(const T* values, std::int64_t count) {
  constexpr int lanes = 16;  // independent of each other, so that they are a vector's
  std::array<T, lanes> least, greatest, no_number{};
  std::array<double, lanes> squares{};
  least.fill(values[0]);
  greatest.fill(values[0]);
  const auto add = [&](T x, std::size_t k) {
    least[k] = x < least[k] ? x : least[k];
    greatest[k] = x > greatest[k] ? x : greatest[k];
    no_number[k] += x * T(0);  // NaN from the first value that is not finite
    squares[k] += static_cast<double>(x) * static_cast<double>(x);
  };
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    for (std::size_t k = 0; k < lanes; ++k) add(values[i + static_cast<std::int64_t>(k)], k);
  }
  for (std::size_t k = 0; i < count; ++i, ++k) add(values[i], k);
  double sum = 0;
  Range range{static_cast<double>(*std::min_element(least.begin(), least.end())),
              static_cast<double>(*std::max_element(greatest.begin(), greatest.end())), 0, true};
  for (std::size_t k = 0; k < lanes; ++k) {
    sum += squares[k];
    range.finite = range.finite && no_number[k] == T(0);
  }
  range.norm = std::sqrt(sum);
  return range;
}

template <class T>
Counts count_in_bins(const T* values, std::int64_t count, const Range& range, std::int64_t bins) {
  // halves, so that a range wider than double's does not overflow; four sets, so that equal bins do not wait for each other
  const double least = range.least / 2, scale = static_cast<double>(bins) / (range.greatest / 2 - least);
  std::vector<std::array<std::int64_t, 4>> sets(static_cast<std::size_t>(bins));
  for (std::int64_t i = 0; i < count; ++i) {
    const auto bin = static_cast<std::int64_t>((static_cast<double>(values[i]) / 2 - least) * scale);
    ++sets[static_cast<std::size_t>(std::min(bin, bins - 1))][static_cast<std::size_t>(i % 4)];
  }
  Counts counts;
  for (const auto& set : sets) counts.push_back(set[0] + set[1] + set[2] + set[3]);
  return counts;
}

// ---- any device's: three numbers and the counts are copied ----

Range range_of(const at::Tensor& values) {
  if (values.is_cpu()) {
    return values.scalar_type() == at::kDouble ? range_of(values.data_ptr<double>(), values.numel())
                                               : range_of(values.data_ptr<float>(), values.numel());
  }
  const auto [least, greatest] = values.aminmax();
  const at::Tensor numbers = at::stack({least.to(at::kDouble), greatest.to(at::kDouble), values.norm(2, at::kDouble)}).cpu();
  const double* const number = numbers.data_ptr<double>();
  return {number[0], number[1], number[2], std::isfinite(number[0]) && std::isfinite(number[1])};
}

Counts count_in_bins(const at::Tensor& values, const Range& range, std::int64_t bins) {
  if (values.is_cpu()) {
    return values.scalar_type() == at::kDouble ? count_in_bins(values.data_ptr<double>(), values.numel(), range, bins)
                                               : count_in_bins(values.data_ptr<float>(), values.numel(), range, bins);
  }
  const at::Tensor counts = at::histc(values, bins, range.least, range.greatest).to(at::kCPU, at::kLong);
  return {counts.data_ptr<std::int64_t>(), counts.data_ptr<std::int64_t>() + bins};
}

}  // namespace

Counted count(const at::Tensor& tensor, std::int64_t bins) {
  if (bins < 1 || bins > 512) throw std::invalid_argument(fmt::format("[track] bins must be in 1 to 512; got {}", bins));
  if (!tensor.defined() || tensor.is_complex())
    throw std::invalid_argument("[track] a histogram needs a defined tensor of real values");
  const c10::NoGradGuard no_grad;
  at::Tensor values = tensor.detach();
  if (values.is_sparse()) values = values.coalesce().values();
  const std::int64_t zeros = tensor.numel() - values.numel();  // of a sparse tensor, not stored
  values = values.to(values.scalar_type() == at::kDouble ? at::kDouble : at::kFloat).reshape(-1).contiguous();

  Counted result;
  Range range;
  if (values.numel() > 0) range = range_of(values);
  result.norm = range.norm;
  if (!range.finite) {
    result.norm = std::isnan(range.norm) ? range.norm : std::numeric_limits<double>::infinity();
    values = values.masked_select(values.isfinite());
    range = values.numel() > 0 ? range_of(values) : Range();
  }
  const std::int64_t all = values.numel() + zeros;
  if (all == 0) return result;
  if (zeros > 0) {
    range.least = std::min(range.least, 0.0);
    range.greatest = std::max(range.greatest, 0.0);
  }
  Histogram& histogram = result.histogram;
  if (range.least == range.greatest) {
    histogram = {{range.least, range.greatest}, {all}};
    return result;
  }
  histogram.counts = values.numel() > 0 ? count_in_bins(values, range, bins) : Counts(static_cast<std::size_t>(bins), 0);
  const double width = range.greatest / static_cast<double>(bins) - range.least / static_cast<double>(bins);
  for (std::int64_t i = 0; i < bins; ++i) histogram.edges.push_back(range.least + width * static_cast<double>(i));
  histogram.edges.push_back(range.greatest);
  if (zeros > 0)
    histogram.counts[static_cast<std::size_t>(std::min(bins - 1, static_cast<std::int64_t>(-range.least / width)))] += zeros;
  return result;
}

}  // namespace muon::track
