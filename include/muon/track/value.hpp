// muon/track/value.hpp: the values that can be logged.
//
//     run.log({{"train/loss", loss.item<double>()}, {"epoch", 3}, {"note", "warm-up finished"}});
//     run.log({{"weights", muon::track::histogram(layer->weight)}});
//     run.config().update({{"lr", 0.02}, {"data", muon::track::Object{{"name", "mnist"}}}});
#pragma once

#include <muon/export.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace at {
class Tensor;
}

namespace muon::track {

/// counts[i] values lie in [edges[i], edges[i + 1]); the last bin includes its upper edge.
struct Histogram {
  /// finite and ascending, one more than counts; empty if there are no counts
  std::vector<double> edges;
  std::vector<std::int64_t> counts;  ///< not negative
};

class Value;
/// Names and values in the order in which they were given. If a name occurs twice, its last value
/// counts.
using Object = std::vector<std::pair<std::string, Value>>;
using List = std::vector<Value>;

/// A number, a string, a boolean, a histogram, a list, an object, or nothing.
class MUON_API Value {
 public:
  using Variant = std::variant<std::monostate, bool, std::int64_t, double, std::string, Histogram,
                               List, Object>;

  Value() = default;
  template <class T, std::enable_if_t<std::is_same_v<T, bool>, int> = 0>
  Value(T value) : value_(value) {}
  /// An integer above the range of int64 becomes a double.
  template <class T, std::enable_if_t<std::is_integral_v<T> && !std::is_same_v<T, bool>, int> = 0>
  Value(T value) : value_(static_cast<std::int64_t>(value)) {
    if (value > 0 && static_cast<std::uint64_t>(value) > INT64_MAX)
      value_ = static_cast<double>(value);
  }
  template <class T, std::enable_if_t<std::is_floating_point_v<T>, int> = 0>
  Value(T value) : value_(static_cast<double>(value)) {}
  Value(const char* text) : value_(std::string(text)) {}
  Value(std::string_view text) : value_(std::string(text)) {}
  Value(std::string text) : value_(std::move(text)) {}
  Value(Histogram histogram) : value_(std::move(histogram)) {}
  Value(List list) : value_(std::move(list)) {}
  Value(Object object) : value_(std::move(object)) {}
  /// A tensor that holds exactly one real value. Reading it waits for the tensor's device.
  /// Errors   std::invalid_argument: the tensor is undefined, complex, or holds another number of
  ///          values
  Value(const at::Tensor& scalar);

  [[nodiscard]] const Variant& get() const& { return value_; }
  [[nodiscard]] Variant get() && { return std::move(value_); }

 private:
  Variant value_;
};

/// Counts the finite values of a tensor in `bins` bins of equal width between the smallest and the
/// largest of them, as W&B's watch does. If all finite values are equal there is one bin; if there
/// are none, the histogram is empty. The zeros of a sparse tensor are counted too. For values of
/// any size, edges are finite and every finite value is counted; where the range has fewer
/// floating-point numbers than bins, neighbouring edges may be equal.
///
/// Cost     two passes over the tensor, about 4 ns per value on one CPU thread; on other devices
///          the device counts, and only the counts are copied
/// Errors   std::invalid_argument: bins not in 1 to 512 (W&B's limit); an undefined or complex
///          tensor
[[nodiscard]] MUON_API Histogram histogram(const at::Tensor& tensor, std::int64_t bins = 64);

}  // namespace muon::track
