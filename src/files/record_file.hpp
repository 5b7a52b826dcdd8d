// The file to which a run appends its records.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

namespace muon::track {

class RecordFile {
 public:
  /// Creates the file, which must not exist yet.
  /// Errors   std::runtime_error naming the file and the reason, as in all functions here.
  explicit RecordFile(std::filesystem::path file);
  ~RecordFile();
  RecordFile(const RecordFile&) = delete;
  RecordFile& operator=(const RecordFile&) = delete;

  /// When it returns, any reader sees the bytes; if it throws, the file is as it was before.
  void append(std::string_view bytes);
  std::uint64_t size() const { return size_; }
  const std::filesystem::path& path() const { return file_; }

 private:
  std::filesystem::path file_;
  int descriptor_;
  std::uint64_t size_ = 0;
};

}  // namespace muon::track
