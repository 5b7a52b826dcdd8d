// Creating folders, and errors of files in them.
#pragma once

#include <filesystem>

namespace muon {

/// Creates a folder and its parents, flushed to the disk, so that they survive a power failure.
/// Errors   std::runtime_error naming the folder and the reason.
void make_folders(const std::filesystem::path& folder);

/// Flushes the folder's entries to the disk, where the file system supports it.
void sync_folder(const std::filesystem::path& folder);

/// Throws std::runtime_error "FILE what: the reason of the error number".
[[noreturn]] void refuse_file(const std::filesystem::path& file, const char* what,
                              int error_number);

}  // namespace muon
