// Finds the files of a run, and reads files that may still be growing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace muon::track {

enum class Format { wandb, jsonl, tensorboard };

struct RunFiles {
  Format format;
  std::vector<std::filesystem::path> files;  // in the order in which they were written
};

/// `path` is a file, or a folder, whose newest run is taken, up to three levels deep. If a run
/// exists in several formats, W&B's is preferred, then our JSON lines, then TensorBoard's. A run
/// that was resumed has a file for each part.
/// Errors   std::runtime_error naming the path
RunFiles find_run_files(const std::filesystem::path& path);

class GrowingFile {
 public:
  explicit GrowingFile(std::filesystem::path file) : file_(std::move(file)) {}
  /// Returns at most 1 MiB that has not been read yet; empty at the current end of the file.
  /// Errors   std::runtime_error naming the file and the reason
  std::string read();
  const std::filesystem::path& path() const { return file_; }

 private:
  std::filesystem::path file_;
  std::uint64_t offset_ = 0;
};

}  // namespace muon::track
