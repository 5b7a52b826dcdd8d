// Which records of a Claude Code session belong to the conversation as it stands, and which were rewound.
#pragma once

#include <string>
#include <vector>

namespace dialogue {

/// A record of the tree, in the order of the file. Links are indices; -1 is none.
struct TreeRecord {
  int parent = -1;
  int logical_parent = -1;  // where a compaction continues
  bool sidechain = false;
  bool turn = false;    // user or assistant
  bool prompt = false;  // typed by the user
  std::string time = {};
};

/// For each record, whether it is still part of the conversation.
///
/// A rewind writes nothing: the next prompt just takes an earlier record for its parent, and the abandoned turns stay in the
/// file. But parallel tool calls fork the tree too, parents are missing, and a compaction makes new roots, so that following
/// parents from the last record would lose text. Hence: only a fork between subtrees whose first typed prompts differ in time is
/// a rewind. There the subtree that was written to last is kept, and in the others the typed prompts with all that follows them
/// are dropped.
std::vector<bool> active_records(std::vector<TreeRecord> records);

}  // namespace dialogue
