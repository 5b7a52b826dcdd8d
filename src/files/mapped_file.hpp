// Memory-mapped files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string_view>

namespace muon {

/// A regular file's bytes, read when they are accessed. Writing to them changes this process's
/// memory only.
class MappedFile {
 public:
  /// Errors   std::runtime_error naming the file and the reason.
  explicit MappedFile(const std::filesystem::path& file);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  char* data() const { return data_; }
  std::uint64_t size() const { return size_; }
  std::string_view bytes(std::uint64_t begin, std::uint64_t count) const {
    return std::string_view(data_, size_)
        .substr(static_cast<std::size_t>(begin), static_cast<std::size_t>(count));
  }

 private:
  char* data_ = nullptr;
  std::uint64_t size_ = 0;
};

}  // namespace muon
