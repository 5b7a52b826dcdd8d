// JSON for programs, which may meet a terminal on its way.
#pragma once

#include <nlohmann/json.hpp>

#include <string>

namespace cli {

/// Control characters and all beyond ASCII as \u escapes, so that a terminal shows what a program reads. Bytes that are not
/// UTF-8 become U+FFFD.
inline std::string json_text(const nlohmann::ordered_json& json, int indent = 2) {
  return json.dump(indent, ' ', /*ensure_ascii=*/true, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace cli
