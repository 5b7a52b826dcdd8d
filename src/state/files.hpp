// Files read by mapping, and files written whole or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string_view>

namespace muon {

/// A regular file's bytes, read as they are touched. Writing to them changes the memory of this process alone.
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
    return std::string_view(data_, size_).substr(static_cast<std::size_t>(begin), static_cast<std::size_t>(count));
  }

 private:
  char* data_ = nullptr;
  std::uint64_t size_ = 0;
};

/// Makes a folder and those above it, so that they are there after a power cut too.
/// Errors   std::runtime_error naming the folder and the reason.
void make_folders(const std::filesystem::path& folder);

/// Writes beside `file` under a temporary name; `commit` flushes it to the disk and renames it. Without a commit nothing is left.
/// Errors   std::runtime_error naming the file and the reason; an existing file is then as it was.
class WholeFile {
 public:
  explicit WholeFile(std::filesystem::path file);
  ~WholeFile();
  WholeFile(const WholeFile&) = delete;
  WholeFile& operator=(const WholeFile&) = delete;

  void write(const void* bytes, std::size_t count);
  /// Over bytes that have been written.
  void patch(std::size_t offset, const void* bytes, std::size_t count);
  void commit();

 private:
  [[noreturn]] void fail() const;

  std::filesystem::path file_, temporary_;
  int descriptor_ = -1;
};

}  // namespace muon
