// A checkpoint as a file: its name in a folder, its format's version, its checksum. What is in it is checkpoint.cpp's.
#pragma once

#include <muon/state/checkpoint.hpp>
#include <muon/state/safetensors.hpp>

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace muon::checkpoint {

/// Writes the file that `where` names, or the folder's for this step, and then removes the folder's oldest beyond `keep`.
std::filesystem::path write(const std::filesystem::path& where, std::int64_t step,
                            const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                            std::map<std::string, std::string> metadata, int keep);

/// `where` if it is no folder, else the folder's newest. Errors   std::runtime_error if there is none.
std::filesystem::path newest(const std::filesystem::path& where);

/// Errors   std::runtime_error naming the file: not a checkpoint, of a newer format, with `verify` damaged.
Safetensors open(const std::filesystem::path& file, bool verify);

CheckpointSummary summary(const std::filesystem::path& path, const Safetensors& file);

}  // namespace muon::checkpoint
