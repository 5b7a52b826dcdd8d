// Files that are written whole or not at all.
#pragma once

#include <cstddef>
#include <filesystem>

namespace muon {

/// Writes beside `file` under a temporary name; `commit` flushes it to the disk and renames it. Without a commit nothing is left.
/// Errors   std::runtime_error naming the file and the reason; an existing file is then as it was.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path file);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

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
