// The names under which W&B stores the step and the times of a row. A user's value with such a name
// is not written.
#pragma once

#include <string_view>

namespace muon::track {

inline constexpr const char* step_name = "_step";
inline constexpr const char* timestamp_name = "_timestamp";  // seconds since 1970
inline constexpr const char* runtime_name = "_runtime";      // seconds since the run's start

inline bool is_reserved(std::string_view name) {
  return name == step_name || name == timestamp_name || name == runtime_name;
}

}  // namespace muon::track
