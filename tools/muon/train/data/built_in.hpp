// Data that comes with the program.
#pragma once

#include <filesystem>
#include <string>

namespace cli {

/// The folder "mnist" or "text": beside an installed program, else where the sources are.
std::filesystem::path built_in_folder(const std::string& name);

}  // namespace cli
