// What an assistant tells a hook on its standard input.
#pragma once

#include "options.hpp"

#include <string>

namespace dialogue {

/// Fills in what to read and where to write: {session_id | conversation_id, transcript_path, cwd |
/// workspace_roots}. Failure (Exit::unreadable) if it is no such JSON; never Exit::usage, by which
/// assistants understand that a hook forbids something.
void apply_hook(const std::string& input, Options& options);

}  // namespace dialogue
