// A checkpoint as a file: its format's version, its checksum, what it says of itself. What is in it
// is checkpoint.cpp's.
#pragma once

#include <muon/state/checkpoint.hpp>

#include "state/safetensors_file.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

namespace muon::checkpoint {

/// Writes the file that `where` names, or the folder's for this step, and then removes the folder's
/// oldest beyond `keep`.
std::filesystem::path write(const std::filesystem::path& where, std::int64_t step,
                            const NamedTensorList& tensors,
                            std::map<std::string, std::string> metadata, int keep);

/// Errors   std::runtime_error naming the file: not a checkpoint, of a newer format, with `verify`
///          damaged.
SafetensorsFile open(const std::filesystem::path& file, bool verify);

/// Errors   std::runtime_error naming the file: a step that is none, groups or schedules that this
///          library does not write.
CheckpointSummary summary(const std::filesystem::path& path, const SafetensorsFile& file);

}  // namespace muon::checkpoint
