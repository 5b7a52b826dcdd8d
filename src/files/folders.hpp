// Folders, and what can go wrong with files in them.
#pragma once

#include <filesystem>

namespace muon {

/// Makes a folder and those above it, so that they are there after a power cut too.
/// Errors   std::runtime_error naming the folder and the reason.
void make_folders(const std::filesystem::path& folder);

/// Flushes what was made or renamed in `folder` to the disk, where the file system can.
void sync_folder(const std::filesystem::path& folder);

/// Throws std::runtime_error "FILE what: the reason of the error number".
[[noreturn]] void refuse_file(const std::filesystem::path& file, const char* what,
                              int error_number);

}  // namespace muon
