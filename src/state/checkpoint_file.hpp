// A checkpoint as a file: format version, checksum, metadata. Its contents are up to
// checkpoint.cpp.
#pragma once

#include <muon/state/checkpoint.hpp>

#include "state/safetensors_file.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

namespace muon::checkpoint {

/// Writes the file `where`, or the file for this step in the folder `where`, and then removes the
/// folder's oldest checkpoints beyond `keep`.
std::filesystem::path write(const std::filesystem::path& where, std::int64_t step,
                            const NamedTensorList& tensors,
                            std::map<std::string, std::string> metadata, int keep);

/// Errors   std::runtime_error naming the file: not a checkpoint, of a newer format, with `verify`
///          damaged.
SafetensorsFile open(const std::filesystem::path& file, bool verify);

/// Errors   std::runtime_error naming the file: an invalid step, or groups or schedules that this
///          library does not write.
CheckpointSummary summary(const std::filesystem::path& path, const SafetensorsFile& file);

}  // namespace muon::checkpoint
