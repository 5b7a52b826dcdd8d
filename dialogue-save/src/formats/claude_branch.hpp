// Which records of a Claude Code session belong to the conversation as it stands, and which were
// rewound.
#pragma once

#include <string>
#include <vector>

namespace dialogue {

/// How a branch begins: with nothing that would tell, with what the user typed after the record
/// before it, or with what a program wrote: an answer, a tool's result, a compaction, a text taken
/// from the queue.
enum class Lead { none, typed, other };

/// A record of the tree, in the order of the file. Links are indices; -1 is none.
struct TreeRecord {
  int parent = -1;
  int logical_parent = -1;  // where a compaction continues
  bool sidechain = false;
  bool turn = false;    // user or assistant
  bool prompt = false;  // typed by the user
  Lead lead = Lead::none;
  int copied = -1;  // the record before which it was written once more, behind a compaction
  std::string time = {};
};

/// For each record, whether it is still part of the conversation.
///
/// A rewind writes nothing: the next prompt just takes an earlier record for its parent, and the
/// abandoned turns stay in the file. But parallel tool calls and hooks fork the tree too, parents
/// are missing, and a compaction makes new roots, some of which continue a copy of an early record,
/// so that following parents from the last record would lose text. Hence: only a fork whose
/// branches begin with something typed, at different times, is a rewind, unless what is typed
/// follows such a copy. There the branch that was written to last is kept, and in the others the
/// typed prompts with all that follows them are dropped.
std::vector<bool> active_records(std::vector<TreeRecord> records);

}  // namespace dialogue
