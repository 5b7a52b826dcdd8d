// The layout of a checkpoint in a safetensors file: the names of its tensors and of its metadata.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace muon::checkpoint {

constexpr std::string_view format_name = "muon.cpp checkpoint";
constexpr int format_version = 1;
constexpr std::string_view extension = ".safetensors";

// tensors
constexpr std::string_view model_prefix = "model/";      ///< model/<name>
constexpr std::string_view optimizer_prefix = "optim/";  ///< optim/<name>/<key>, see tensor_name
constexpr std::string_view random_prefix = "random/";    ///< random/<device>

// metadata, all strings
constexpr const char* format_key = "format";
constexpr const char* version_key = "format_version";
constexpr const char* library_key = "library";
constexpr const char* checksum_key = "checksum";
constexpr const char* step_key = "step";
/// a file's number among those written to its folder, from 1
constexpr const char* sequence_key = "sequence";
/// JSON, see state_json: the groups of all optimizers, one after the other
constexpr const char* groups_key = "groups";
constexpr const char* schedules_key = "schedule";  ///< JSON, see stored_schedules.hpp
constexpr std::string_view note_prefix = "note/";  ///< note/<key>

inline std::string prefixed(std::string_view prefix, std::string_view name) {
  return std::string(prefix) += name;
}

/// The rest of `name` after `prefix`; none if it does not begin with it.
inline std::optional<std::string> behind(std::string_view prefix, std::string_view name) {
  if (!name.starts_with(prefix)) return std::nullopt;
  return std::string(name.substr(prefix.size()));
}

/// Whether a safetensors file is a checkpoint of this library, by its metadata.
inline bool is_checkpoint(const std::map<std::string, std::string>& metadata) {
  const auto format = metadata.find(format_key);
  return format != metadata.end() && format->second == format_name;
}

}  // namespace muon::checkpoint
