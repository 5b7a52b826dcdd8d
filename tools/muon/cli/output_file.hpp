// What the program writes beside its output.
#pragma once

#include "files/atomic_file.hpp"

#include <filesystem>
#include <string>

namespace cli {

using muon::check_writable;

/// The whole text or nothing, as muon::AtomicFile writes; to /dev/stdout behind what was printed
/// before.
void write_file(const std::filesystem::path& file, const std::string& text);

}  // namespace cli
