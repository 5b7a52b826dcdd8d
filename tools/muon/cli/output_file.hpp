// Files that the program writes.
#pragma once

#include "files/atomic_file.hpp"

#include <filesystem>
#include <string>

namespace cli {

using muon::check_writable;

/// Writes the complete text or nothing, with muon::AtomicFile. Text for /dev/stdout comes after
/// what was printed before.
void write_file(const std::filesystem::path& file, const std::string& text);

}  // namespace cli
