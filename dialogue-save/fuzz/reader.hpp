// What must hold for any file a reader is given: no crash, no endless loop, and the bytes of every
// message in the Markdown.
#pragma once

#include "format.hpp"
#include "message_text.hpp"
#include "rounds.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

namespace dialogue {

/// A file in memory with these bytes, under a name that can be opened.
class MemoryFile {
 public:
  MemoryFile(const std::uint8_t* data, std::size_t size) : file_(::memfd_create("dialogue", 0)) {
    if (file_ < 0 || ::write(file_, data, size) != static_cast<ssize_t>(size)) std::abort();
  }
  ~MemoryFile() { ::close(file_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::string path() const { return "/proc/self/fd/" + std::to_string(file_); }

 private:
  int file_;
};

inline void check_conversation(const Format& format, const Conversation& conversation,
                               const ReadOptions& options, bool raw) {
  Report report;
  std::string markdown;
  RoundWriter rounds([&](std::string_view bytes) { markdown += bytes; }, "2025-10-16 18:40:38",
                     {.raw = raw}, report);
  std::size_t at = 0;
  format.read(conversation, options, report, [&](Message&& message) {
    rounds.add(message);
    const std::string_view text = trimmed(message.text);
    at = markdown.find(text, at);
    if (is_blank(text) || at == markdown.npos) std::abort();
    at += text.size();
    return true;
  });
  rounds.finish();
}

/// Reads everything in the file, by every way of reading it. A Failure is an answer, too.
inline void check_reader(const Format& format, const std::string& path) {
  Report report;
  try {
    for (const Conversation& conversation : format.in_file(path, report)) {
      check_conversation(format, conversation, {}, false);
      check_conversation(format, conversation,
                         {.all_branches = true, .sidechains = true, .commands = Commands::full},
                         true);
      check_conversation(format, conversation, {.commands = Commands::typed}, false);
      if (format.title) format.title(conversation);
    }
  } catch (const Failure&) {
  }
}

}  // namespace dialogue
