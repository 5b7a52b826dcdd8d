// JSON for programs, which may also be printed on a terminal.
#pragma once

#include "files/printable.hpp"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <string>

namespace cli {

/// Characters that a terminal would act on are escaped as in JSON, so that the text keeps its
/// meaning. Bytes that are not UTF-8 become U+FFFD.
inline std::string json_text(const nlohmann::ordered_json& json, int indent = 2) {
  return muon::printable_lines(json.dump(indent, ' ', /*ensure_ascii=*/false,
                                         nlohmann::ordered_json::error_handler_t::replace));
}

/// Writes to standard output. Not through `print`, which would escape the newlines.
inline void print_json(const nlohmann::ordered_json& json) {
  std::fputs((json_text(json) + "\n").c_str(), stdout);
}

}  // namespace cli
