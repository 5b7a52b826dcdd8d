// Quoting for commands that a user will paste into a shell.
#pragma once

#include <string>

namespace cli {

/// Quotes text so that a shell reads it as one word. Characters that a terminal would not show
/// become $'\033', which bash, zsh and ksh understand.
std::string shell_word(const std::string& text);

}  // namespace cli
