// Files that are written whole or not at all.
#pragma once

#include <filesystem>
#include <string>

namespace cli {

/// Writes under a temporary name beside `file`, flushes to the disk, and renames. What is not a regular file (a pipe,
/// /dev/stdout) is written directly.
/// Errors   std::runtime_error naming the file and the reason; an existing file is then as it was.
void write_file(const std::filesystem::path& file, const std::string& text);

/// Fails now rather than after hours of training: the folder of `file` must exist and be writable.
void check_writable(const std::filesystem::path& file);

}  // namespace cli
