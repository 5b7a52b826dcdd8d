// Values as JSON text, and the leaves of nested objects.
#pragma once

#include <muon/track/value.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muon::track {

enum class NonFinite {
  bare,    ///< NaN, Infinity, -Infinity, as Python and W&B write them
  quoted,  ///< "NaN", "Infinity", "-Infinity": valid JSON, as protobuf writes it
};

/// Numbers have the fewest digits that read back as the same number.
std::string json_text(double value, NonFinite non_finite);
std::string json_text(const Value& value, NonFinite non_finite);
/// {"_type": "histogram", "values": counts, "bins": edges}: W&B's form.
Object histogram_object(const Histogram& histogram);

using Path = std::vector<std::string>;

/// A value that is not an object, or an empty object, and the names that lead to it.
struct Leaf {
  Path path;
  const Value* value;
};
using Leaves = std::vector<Leaf>;

/// All leaves of an object, in order. They refer to its values.
Leaves leaves_of(const Object& object);

/// A path as one name: "a/b".
std::string joined(const Path& path, std::string_view between = "/");

/// A boolean counts as 0 or 1. Empty if the value is not a number.
std::optional<double> number_of(const Value& value);

}  // namespace muon::track
