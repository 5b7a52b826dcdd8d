// Which conversations there are, and which one is meant.
#pragma once

#include "format.hpp"
#include "options.hpp"

#include <vector>

namespace dialogue {

struct Candidate {
  Conversation conversation;
  const Format* format = nullptr;
};

/// Newest first. Of the file that was named, or of all stores; a store that cannot be read is noted
/// in the report.
std::vector<Candidate> find_candidates(const Options& options, Report& report);

/// The one that is meant: by the beginning of its id, or the newest in which something was asked;
/// for a hook, none in which there are only commands such as /exit.
/// Failure: usage if several ids begin so, nothing_found if none is left, unreadable if none is
/// left but something was damaged.
Candidate choose(const std::vector<Candidate>& candidates, const Options& options, Report& report);

/// The first question, if there is one; reads no further.
std::optional<std::string> first_question(const Candidate& candidate, const ReadOptions& options);

/// The conversations for --list, with title, or as JSON.
std::string list_text(const std::vector<Candidate>& candidates, const Options& options,
                      Report& report);

}  // namespace dialogue
