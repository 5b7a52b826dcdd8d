// What happened beside the conversation: told on standard error at the end, and the exit status.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

namespace dialogue {

enum class Exit { done = 0, usage = 2, nothing_found = 3, unreadable = 4, damaged = 5 };

/// Ends the run. The text reads `[where] what; got X; do Y`.
class Failure : public std::runtime_error {
 public:
  Failure(Exit status, const std::string& what) : std::runtime_error(what), status_(status) {}
  Exit status() const { return status_; }

 private:
  Exit status_;
};

struct Report {
  // records that could not be parsed, or that the conversation names and the store lacks
  std::size_t damaged = 0;
  std::size_t replaced = 0;  // invalid bytes and lone surrogates that became U+FFFD
  std::size_t repaired = 0;  // characters that were stored as two encoded surrogates
  std::size_t unknown = 0;   // records of a type this program does not know
  std::vector<std::string> warnings;
  std::vector<std::string> searched;  // the places looked at, for whoever finds nothing there
  std::vector<std::string> failed;    // stores that could not be read while others could
};

}  // namespace dialogue
