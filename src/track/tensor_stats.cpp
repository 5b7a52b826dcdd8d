#include "track/tensor_stats.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <stdexcept>
#include <utility>
#include <vector>

namespace muon::track {
namespace {

struct Range {
  double least = 0, greatest = 0, norm = 0;
  bool finite = true;  // whether all values are
};

using Counts = std::vector<std::int64_t>;

/// The power of two that brings the largest magnitude close to 1, so that neither differences nor
/// their inverses overflow; 1 where there is no such danger. Multiplying by it is exact except for
/// values far below the largest one. It is a normal number of type T.
template <class T>
double scale_factor(const Range& range) {
  constexpr int largest = std::numeric_limits<T>::max_exponent - 24;
  const int exponent = std::ilogb(std::max(std::abs(range.least), std::abs(range.greatest)));
  return std::abs(exponent) < 60 ? 1 : std::ldexp(1.0, std::clamp(-exponent, -largest, largest));
}

/// Bins of equal width over a range that is not empty.
class Bins {
 public:
  Bins(const Range& range, std::int64_t count)
      : range_(range),
        factor_(scale_factor<double>(range)),
        least_(range.least * factor_),
        greatest_(range.greatest * factor_),
        per_unit_(static_cast<double>(count) / (greatest_ - least_)),
        last_(count - 1) {}

  /// The bin of a value in the range.
  std::size_t operator[](double value) const {
    return static_cast<std::size_t>(
        std::min(static_cast<std::int64_t>((value * factor_ - least_) * per_unit_), last_));
  }

  std::vector<double> edges() const {
    const auto count = static_cast<double>(last_ + 1);
    const double width = greatest_ / count - least_ / count;
    // the ends are exact, even where one is so much smaller that the factor makes it 0
    std::vector<double> result{range_.least};
    for (std::int64_t i = 1; i <= last_; ++i)
      result.push_back(std::min(least_ + width * static_cast<double>(i), greatest_) / factor_);
    result.push_back(range_.greatest);
    return result;
  }

 private:
  Range range_;
  // the range in multiples of 1 / factor, and the number of bins per such unit
  double factor_, least_, greatest_, per_unit_;
  std::int64_t last_;
};

// ---- on a CPU: histc takes ten nanoseconds a value, these two loops four ----

template <class T>
Range range_of(const T* values, std::int64_t count) {
  constexpr int lanes = 16;  // independent of each other, so that they can be vectorized
  std::array<T, lanes> least, greatest, no_number{};
  std::array<double, lanes> squares{};
  least.fill(values[0]);
  greatest.fill(values[0]);
  const auto add = [&](T x, std::size_t k) {
    least[k] = x < least[k] ? x : least[k];
    greatest[k] = x > greatest[k] ? x : greatest[k];
    no_number[k] += x * T(0);  // becomes NaN at the first value that is not finite
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
Counts count_in_bins(const T* values, std::int64_t count, const Bins& bins, std::int64_t number) {
  // four sets of counts, so that increments of the same bin do not wait for each other
  std::vector<std::array<std::int64_t, 4>> sets(static_cast<std::size_t>(number));
  for (std::int64_t i = 0; i < count; ++i)
    ++sets[bins[static_cast<double>(values[i])]][static_cast<std::size_t>(i % 4)];
  Counts counts;
  for (const auto& set : sets) counts.push_back(set[0] + set[1] + set[2] + set[3]);
  return counts;
}

// ---- on any device: three numbers and the counts are copied ----

Range range_of(const at::Tensor& values) {
  if (values.is_cpu()) {
    return values.scalar_type() == at::kDouble ? range_of(values.data_ptr<double>(), values.numel())
                                               : range_of(values.data_ptr<float>(), values.numel());
  }
  const auto [least, greatest] = values.aminmax();
  const at::Tensor numbers =
      at::stack({least.to(at::kDouble), greatest.to(at::kDouble), values.norm(2, at::kDouble)})
          .cpu();
  const double* const number = numbers.data_ptr<double>();
  return {number[0], number[1], number[2], std::isfinite(number[0]) && std::isfinite(number[1])};
}

Counts count_in_bins(const at::Tensor& values, const Range& range, const Bins& bins,
                     std::int64_t number) {
  const bool wide = values.scalar_type() == at::kDouble;
  if (values.is_cpu()) {
    return wide ? count_in_bins(values.data_ptr<double>(), values.numel(), bins, number)
                : count_in_bins(values.data_ptr<float>(), values.numel(), bins, number);
  }
  const double factor = wide ? scale_factor<double>(range) : scale_factor<float>(range);
  const at::Tensor scaled = factor == 1 ? values : values * factor;
  const at::Tensor counts = at::histc(scaled, number, range.least * factor, range.greatest * factor)
                                .to(at::kCPU, at::kLong);
  return {counts.data_ptr<std::int64_t>(), counts.data_ptr<std::int64_t>() + number};
}

/// The norm of finite values whose squares leave the range of double.
double scaled_norm(const at::Tensor& values, const Range& range) {
  const double factor = scale_factor<double>(range);
  return (values * factor).norm(2, at::kDouble).item<double>() / factor;
}

// ---- the parts of tensor_stats ----

/// The values that the tensor stores, in one row of float or double.
at::Tensor stored_values(const at::Tensor& tensor) {
  at::Tensor values = tensor.detach();
  if (values.is_sparse()) values = values.coalesce().values();
  return values.to(values.scalar_type() == at::kDouble ? at::kDouble : at::kFloat)
      .reshape(-1)
      .contiguous();
}

Range range_of_any(const at::Tensor& values) {
  return values.numel() > 0 ? range_of(values) : Range();
}

double norm_of(const at::Tensor& values, const Range& range) {
  if (!range.finite)
    return std::isnan(range.norm) ? range.norm : std::numeric_limits<double>::infinity();
  const bool squares_fit = range.norm > 1e-140 && range.norm < 1e140;
  const bool all_zero = range.least == 0 && range.greatest == 0;
  return squares_fit || all_zero ? range.norm : scaled_norm(values, range);
}

/// The histogram of finite values and of `zeros` zeros more.
Histogram histogram_of(const at::Tensor& values, Range range, std::int64_t zeros,
                       std::int64_t bins) {
  const std::int64_t all = values.numel() + zeros;
  if (all == 0) return {};
  if (zeros > 0) {
    range.least = std::min(range.least, 0.0);
    range.greatest = std::max(range.greatest, 0.0);
  }
  if (range.least == range.greatest) return {{range.least, range.greatest}, {all}};
  const Bins in_bins(range, bins);
  Counts counts = values.numel() > 0 ? count_in_bins(values, range, in_bins, bins)
                                     : Counts(static_cast<std::size_t>(bins), 0);
  if (zeros > 0) counts[in_bins[0.0]] += zeros;
  return {in_bins.edges(), std::move(counts)};
}

}  // namespace

TensorStats tensor_stats(const at::Tensor& tensor, std::int64_t bins) {
  if (bins < 1 || bins > 512)
    throw std::invalid_argument(fmt::format("[track] bins must be in 1 to 512; got {}", bins));
  if (!tensor.defined() || tensor.is_complex())
    throw std::invalid_argument("[track] a histogram needs a defined tensor of real values");
  const c10::NoGradGuard no_grad;
  at::Tensor values = stored_values(tensor);
  const std::int64_t zeros = tensor.numel() - values.numel();  // not stored in a sparse tensor

  TensorStats result;
  Range range = range_of_any(values);
  result.norm = norm_of(values, range);
  if (!range.finite) {
    values = values.masked_select(values.isfinite());
    range = range_of_any(values);
  }
  result.histogram = histogram_of(values, range, zeros, bins);
  return result;
}

}  // namespace muon::track
