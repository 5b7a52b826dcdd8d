// The one time that stands in the header and in the name of a saved conversation.
#pragma once

#include "candidates.hpp"

#include <string>

namespace dialogue {

/// "2025-10-16 18:40:38", the same in every locale.
std::string time_text(Millis time, bool utc);

/// What --time asks for, as time_text: the clock is read once. Failure (Exit::usage) if it is no
/// time, or if a time of the conversation is asked for and no message carries one.
std::string save_time(const Options& options, const Candidate& candidate);

/// "cc_20251016_184038" for that time.
std::string file_stem(const std::string& time);

}  // namespace dialogue
