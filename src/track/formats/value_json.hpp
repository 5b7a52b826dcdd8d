// Values as JSON text.
#pragma once

#include <muon/track/value.hpp>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muon::track {

enum class NonFinite {
  bare,    ///< NaN, Infinity, -Infinity, as Python and W&B have them
  quoted,  ///< "NaN", "Infinity", "-Infinity": JSON, as protobuf has it
};

/// Numbers in the fewest digits that read back the same.
std::string json_text(double value, NonFinite non_finite);
std::string json_text(const Value& value, NonFinite non_finite);
/// {"_type": "histogram", "values": counts, "bins": edges}: W&B's words.
Object histogram_object(const Histogram& histogram);

/// Calls `leaf` for all that is no object, with the names that lead there; an empty object is a leaf.
using Path = std::vector<std::string>;
void for_each_leaf(const Object& object, const std::function<void(const Path&, const Value&)>& leaf);

/// A path in one name: "a/b".
std::string joined(const Path& path, std::string_view between = "/");

/// Truth values are 0 and 1; empty for what is no number.
std::optional<double> number_of(const Value& value);

/// With valid UTF-8 in texts and names, and in objects inside no name twice.
/// Errors   std::invalid_argument: a histogram whose edges are not one more than its counts
Object valid(const Object& object);

/// `from` in the place of `into`; two objects are merged.
void put(Value& into, const Value& from);
void merge(Object& into, const Object& from);

}  // namespace muon::track
