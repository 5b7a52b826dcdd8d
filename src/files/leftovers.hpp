// Temporary files: their names, and removing those that no process is writing any more.
#pragma once

#include <filesystem>
#include <string>

namespace muon {

/// A name that cannot be guessed and is short enough for any file system:
/// "muon-0123456789abcdef.tmp".
std::string temporary_name();

/// Locks a new temporary file until its descriptor is closed or the process dies. Returns false if
/// another writer has meanwhile taken the file for a leftover and removed it.
bool hold_temporary(int descriptor);

/// Removes the folder's temporary files that nobody has locked: their writers were killed.
void remove_leftovers(const std::filesystem::path& folder);

}  // namespace muon
