// Names in commands that a person will paste.
#pragma once

#include <string>

namespace muon {

/// For a shell to read as one word.
std::string shell_word(const std::string& text);

}  // namespace muon
