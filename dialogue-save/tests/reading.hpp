// Reads and writes with the program's own functions, for tests of many small conversations.
#pragma once

#include "candidates.hpp"
#include "rounds.hpp"

#include <string>
#include <vector>

/// The messages of the newest conversation of a file.
inline std::vector<dialogue::Message> read_messages(const std::string& file,
                                                    dialogue::Options options = {},
                                                    dialogue::Report* report = nullptr) {
  dialogue::Report own;
  dialogue::Report& counts = report ? *report : own;
  options.file = file;
  const dialogue::Candidate candidate =
      dialogue::choose(dialogue::find_candidates(options, counts), options, counts);
  std::vector<dialogue::Message> messages;
  candidate.format->read(candidate.conversation, options.read, counts,
                         [&](dialogue::Message&& message) {
                           messages.push_back(std::move(message));
                           return true;
                         });
  return messages;
}

/// "Q:" and "A:" before each text, for comparisons that can be read.
inline std::vector<std::string> read_texts(const std::string& file,
                                           const dialogue::Options& options = {},
                                           dialogue::Report* report = nullptr) {
  std::vector<std::string> texts;
  for (const dialogue::Message& message : read_messages(file, options, report)) {
    texts.push_back((message.role == dialogue::Role::user ? "Q:" : "A:") + message.text);
  }
  return texts;
}

inline std::string markdown_of(const std::vector<dialogue::Message>& messages,
                               const dialogue::RoundOptions& options = {}) {
  std::string text;
  dialogue::Report report;
  dialogue::RoundWriter rounds([&](std::string_view bytes) { text += bytes; },
                               "2025-10-16 18:40:38", options, report);
  for (const dialogue::Message& message : messages) rounds.add(message);
  rounds.finish();
  return text;
}
