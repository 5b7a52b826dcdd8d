// The names of numbers that JSON does not have, as in JavaScript, protobuf's JSON and Python's json
// module.
#pragma once

#include <cmath>
#include <limits>
#include <optional>
#include <string_view>

namespace muon::track {

/// `value` must not be finite.
inline const char* non_finite_word(double value) {
  return std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
}

/// None if `word` is none of the three.
inline std::optional<double> non_finite_number(std::string_view word) {
  if (word == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (word == "Infinity") return std::numeric_limits<double>::infinity();
  if (word == "-Infinity") return -std::numeric_limits<double>::infinity();
  return std::nullopt;
}

}  // namespace muon::track
