// A format: how conversations of one kind are recognized, found and read.
#pragma once

#include "conversation.hpp"
#include "report.hpp"

#include <set>
#include <span>
#include <string_view>

namespace dialogue {

/// The first bytes of a file, and the JSON keys of the outermost objects in them.
struct FileHead {
  std::string bytes;
  std::set<std::string, std::less<>> keys;

  bool has(std::string_view key) const { return keys.find(key) != keys.end(); }
};

/// The folder whose conversations are wanted; none: all of them.
using Workspace = std::optional<std::filesystem::path>;

enum class Commands { as_stored, full, typed };

struct ReadOptions {
  bool all_branches = false;  // rewound, edited and regenerated turns too
  bool sidechains = false;    // what subagents were asked and answered
  Commands commands = Commands::as_stored;
  // only the first question is wanted, even if it was rewound: a reader need not look further
  bool first_only = false;
};

struct Format {
  std::string_view name;
  bool (*recognizes)(const FileHead&);
  /// The conversations of a file that the user named.
  std::vector<Conversation> (*in_file)(const std::filesystem::path&, Report&);
  /// Those that the assistant keeps on this machine; null where there is no such place.
  std::vector<Conversation> (*in_stores)(const Workspace&, Report&);
  /// Gives the messages to the sink. Memory is bounded by the largest record, not by the
  /// conversation.
  void (*read)(const Conversation&, const ReadOptions&, Report&, const Sink&);
  /// The title where finding it takes reading the file; null where it came with the conversation.
  std::string (*title)(const Conversation&) = nullptr;
  /// The environment variable in which the assistant tells programs that it runs which conversation
  /// is its own, or null.
  const char* running_id = nullptr;
};

/// In the order in which they are tried on a file.
std::span<const Format> formats();

}  // namespace dialogue
