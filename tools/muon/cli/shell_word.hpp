// Names in commands that a person will paste.
#pragma once

#include <string>

namespace cli {

/// For a shell to read as one word. What a terminal would not show is written as $'\033', which
/// bash, zsh and ksh read.
std::string shell_word(const std::string& text);

}  // namespace cli
