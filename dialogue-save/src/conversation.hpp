// What every format is read into: messages in the order of the conversation.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace dialogue {

/// Milliseconds since 1970 UTC.
using Millis = std::int64_t;

enum class Role { user, assistant };

struct Message {
  Role role = Role::user;
  // UTF-8, as it was typed or answered; may hold any character, NUL too
  std::string text = {};
  std::optional<Millis> time = std::nullopt;  // absent where the source has none; never made up
  std::string id = {};
};

/// Takes the messages one after the other; false asks for no more.
using Sink = std::function<bool(Message&&)>;

/// A part of a file.
struct Span {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

/// Where a conversation is and what is known of it without reading it.
struct Conversation {
  std::string format;  // the name that --from takes
  std::filesystem::path file;
  std::string id;
  std::string title = {};
  std::optional<Millis> updated = std::nullopt;
  Span part = {};  // of the file, for formats that keep many conversations in one
  // held by an assistant with another one, or one of several tries: meant only if it is named
  bool subagent = false;
};

}  // namespace dialogue
