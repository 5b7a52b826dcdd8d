// JSON for programs, which may meet a terminal on its way.
#pragma once

#include "files/printable.hpp"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <string>

namespace cli {

/// What a terminal would act on is escaped in the form that JSON reads, so the text means the same.
/// Bytes that are not UTF-8 become U+FFFD.
inline std::string json_text(const nlohmann::ordered_json& json, int indent = 2) {
  return muon::printable_lines(json.dump(indent, ' ', /*ensure_ascii=*/false,
                                         nlohmann::ordered_json::error_handler_t::replace));
}

/// To standard output. Not through `print`, which would make one line of it.
inline void print_json(const nlohmann::ordered_json& json) {
  std::fputs((json_text(json) + "\n").c_str(), stdout);
}

}  // namespace cli
