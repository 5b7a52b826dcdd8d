// What people read on standard error and in lists.
#pragma once

#include <string>
#include <string_view>

namespace dialogue {

/// Titles, ids and paths come from files: a control character in one must not reach the terminal.
/// Each becomes a space.
std::string printable(std::string_view text);

/// One line or more on standard error, made printable but for its newlines. Whether anyone can read
/// it never matters: nothing fails.
void tell(std::string_view text);

/// Opens closed standard streams on /dev/null, so that no file takes their place and gets what is
/// meant for them.
void open_standard_streams();

}  // namespace dialogue
