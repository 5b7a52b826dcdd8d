// Temporary files: their names, and which of them no process is writing any more.
#pragma once

#include <filesystem>
#include <string>

namespace muon {

/// A name that nobody can guess and that fits beside any other: "muon-0123456789abcdef.tmp".
std::string temporary_name();

/// Locks a new temporary file until its descriptor is closed, by the process's death as well. False
/// if it has been taken for a leftover in the instant before and is removed.
bool hold_temporary(int descriptor);

/// Removes the folder's files of such names that nobody holds: their writers were killed.
void remove_leftovers(const std::filesystem::path& folder);

}  // namespace muon
