// Files read through zlib, gzipped or not.
#pragma once

#include <zlib.h>

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>

namespace cli {

class GzFile {
 public:
  /// Errors   std::runtime_error naming the file: it cannot be opened.
  explicit GzFile(const std::filesystem::path& file);

  /// Up to `size` bytes; fewer only at the end of the file.
  /// Errors   std::runtime_error naming the file: damaged, truncated.
  std::size_t read(unsigned char* to, std::size_t size);

  /// Throws std::runtime_error "FILE: what".
  [[noreturn]] void fail(const std::string& what) const;

 private:
  std::string name_;
  std::unique_ptr<gzFile_s, int (*)(gzFile)> gz_;
};

}  // namespace cli
