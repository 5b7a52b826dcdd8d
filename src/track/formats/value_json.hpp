// Values as JSON text.
#pragma once

#include <muon/track/value.hpp>

#include <functional>
#include <string>
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
std::string joined(const Path& path);

/// With valid UTF-8 in its texts and names.
Value valid(const Value& value);

/// `from` into `into`: objects are merged, anything else replaces. Texts and names become valid UTF-8.
void merge(Object& into, const Object& from);

}  // namespace muon::track
