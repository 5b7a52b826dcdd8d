// A Claude Code session in a file, read by the program's own functions.
#pragma once

#include "program.hpp"
#include "reading.hpp"
#include "stores.hpp"

class Claude : public InFolder {
 protected:
  static std::vector<std::string> texts(const ClaudeSession& session,
                                        const dialogue::ReadOptions& read = {}) {
    write_file("s.jsonl", session.text());
    dialogue::Options options;
    options.from = "claude";
    options.read = read;
    return read_texts("s.jsonl", options);
  }
};

inline nlohmann::json text_block(const std::string& text) {
  return {{"type", "text"}, {"text", text}};
}
inline nlohmann::json blocks(std::initializer_list<nlohmann::json> list) {
  return {{"role", "user"}, {"content", nlohmann::json(list)}};
}
