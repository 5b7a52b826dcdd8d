// JSON that need not be quite right: what a parser would refuse is repaired and counted, what is no
// JSON is counted.
#pragma once

#include "conversation.hpp"
#include "report.hpp"

#include <nlohmann/json.hpp>

#include <string_view>

namespace dialogue {

using Json = nlohmann::json;

/// Nothing where `text` is not JSON, or is nested absurdly. Bytes that are not UTF-8 and lone
/// surrogates become U+FFFD, a character encoded as two surrogates (CESU-8) becomes that character;
/// `report` counts both.
std::optional<Json> parse_json(std::string_view text, Report& report);

/// The same, but null where `text` is not JSON; without a report no repair counts.
Json json_or_null(std::string_view text, Report& report);
Json json_or_null(std::string_view text);

/// The same repair for text outside JSON.
std::string repair_utf8(std::string_view text, Report& report);

/// A member of an object; null where there is none or `json` is no object.
const Json& member(const Json& json, const char* key);
std::string text_member(const Json& json, const char* key);
bool flag_member(const Json& json, const char* key);

/// A time as the stores have it: "2025-10-16T18:40:38.123Z" (also with an offset), milliseconds, or
/// seconds with a fraction.
std::optional<Millis> time_of(const Json& value);
std::optional<Millis> parse_time(std::string_view iso);

}  // namespace dialogue
