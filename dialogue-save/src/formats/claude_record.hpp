// One record of a Claude Code session: what it is to the conversation, and its text.
#pragma once

#include "format.hpp"
#include "json_text.hpp"

namespace dialogue {

enum class ClaudeKind {
  none,          // results of tools, bookkeeping, what a program wrote in the user's name
  question,      // typed by the user
  command,       // typed as /name: the record holds tags around the name and its arguments
  command_body,  // what such a command stands for, in a record of its own
  queued,        // typed while an answer was running
  removed,       // the same in older versions: taken from the queue
  answer,
};

ClaudeKind claude_kind(const Json& record);

/// Whether the type is one that this program knows what to do with, if only to skip it.
bool claude_type_known(const Json& record);

/// The text of a record that is not `none`; empty if nothing is left of it.
std::string claude_text(const Json& record, ClaudeKind kind);

}  // namespace dialogue
