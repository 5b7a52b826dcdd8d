// muon/track/value.hpp: what can be logged.
//
//     run.log({{"train/loss", loss.item<double>()}, {"epoch", 3}, {"note", "warm-up is over"}});
//     run.log({{"weights", muon::track::histogram(layer->weight)}});
//     run.config().update({{"lr", 0.02}, {"data", muon::track::Object{{"name", "mnist"}, {"images", 60000}}}});
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace at {
class Tensor;
}

namespace muon::track {

/// Counts of values between edges: counts[i] lie in [edges[i], edges[i + 1]), in the last bin its upper edge too.
struct Histogram {
  std::vector<double> edges;         ///< one more than counts, ascending; none without counts
  std::vector<std::int64_t> counts;  ///< at least 0
};

class Value;
/// Names and values in the order in which they were given. A name that occurs twice has its last value.
using Object = std::vector<std::pair<std::string, Value>>;
using List = std::vector<Value>;

/// A number, a text, a truth value, a histogram, a list, an object, or nothing.
class Value {
 public:
  using Variant = std::variant<std::monostate, bool, std::int64_t, double, std::string, Histogram, List, Object>;

  Value() = default;
  template <std::same_as<bool> T>
  Value(T value) : value_(value) {}
  template <std::integral T>
  requires(!std::same_as<T, bool>) Value(T value) : value_(static_cast<std::int64_t>(value)) {
    if (value > 0 && static_cast<std::uint64_t>(value) > INT64_MAX) value_ = static_cast<double>(value);
  }
  template <std::floating_point T>
  Value(T value) : value_(static_cast<double>(value)) {}
  Value(const char* text) : value_(std::string(text)) {}
  Value(std::string_view text) : value_(std::string(text)) {}
  Value(std::string text) : value_(std::move(text)) {}
  Value(Histogram histogram) : value_(std::move(histogram)) {}
  Value(List list) : value_(std::move(list)) {}
  Value(Object object) : value_(std::move(object)) {}
  /// A tensor of one value; this waits for its device.
  /// Errors   std::invalid_argument: more or fewer values.
  Value(const at::Tensor& scalar);

  const Variant& get() const { return value_; }

 private:
  Variant value_;
};

/// Of a tensor's finite values, counted where the tensor lives: the counts are copied, not the tensor. `bins` equal parts
/// between the least and the greatest value, as W&B's watch makes them; one bin where all values are equal, none where no
/// value is finite. A sparse tensor counts with its zeros.
/// Cost     two passes over the tensor; on a CPU one thread and some 4 ns a value
/// Errors   std::invalid_argument: bins not in 1 to 512 (W&B's most); a complex tensor
Histogram histogram(const at::Tensor& tensor, std::int64_t bins = 64);

}  // namespace muon::track
