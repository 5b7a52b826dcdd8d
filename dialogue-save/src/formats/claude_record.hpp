// One record of a Claude Code session: what it is to the conversation, and its text.
#pragma once

#include "claude_branch.hpp"
#include "format.hpp"
#include "json_text.hpp"

namespace dialogue {

enum class ClaudeKind {
  none,          // results of tools, bookkeeping, what a program wrote in the user's name
  question,      // typed by the user
  command,       // typed as /name: the record holds tags around the name and its arguments
  command_body,  // what such a command stands for, in a record of its own
  queued,        // typed while an answer was running
  queue_row,     // what happens to the queue of such texts
  answer,
};

ClaudeKind claude_kind(const Json& record);

/// What the record tells of a branch that begins with it.
Lead claude_lead(const Json& record, ClaudeKind kind);

/// Whether the record is of a type that this program does not know and looks like a part of the
/// conversation. Bookkeeping, of which every version adds some, does not.
bool claude_unknown(const Json& record);

/// The text of a record that is not `none`; empty if nothing is left of it.
std::string claude_text(const Json& record, ClaudeKind kind);

/// The text that a record of type user or a queued command tells in the user's name, whoever wrote
/// it.
std::string claude_told(const Json& record);

/// Whether a program wrote this text in the user's name. A text that only mentions what such texts
/// begin with is typed.
bool claude_notice(std::string_view text);

}  // namespace dialogue
