// dialogue-save itself: find the conversation, write it, say where.
#pragma once

#include "options.hpp"

namespace dialogue {

/// Prints the list, or the path of the file that it writes. Failure where there is nothing to save
/// or it cannot be saved.
void save(const Options& options, Report& report);

}  // namespace dialogue
