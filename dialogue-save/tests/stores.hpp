// The same conversation as each assistant would store it, with what surrounds it there: tools,
// thinking, system text.
#pragma once

#include <nlohmann/json.hpp>

#include <filesystem>
#include <string>
#include <vector>

struct sqlite3;

struct Turn {
  bool user = true;
  std::string text;
};
using Turns = std::vector<Turn>;
inline Turn ask(std::string text) { return {true, std::move(text)}; }
inline Turn reply(std::string text) { return {false, std::move(text)}; }

/// Records of a Claude Code session, each the child of the one before it unless it is told
/// otherwise.
class ClaudeSession {
 public:
  ClaudeSession& ask(const std::string& text) {
    return add("user", {{"role", "user"}, {"content", text}});
  }
  ClaudeSession& reply(const std::string& text);
  ClaudeSession& tool() { return tool_use("t").tool_result("t"); }
  ClaudeSession& tool_use(const std::string& id);
  ClaudeSession& tool_result(const std::string& id);
  /// What was typed during an answer, as an attachment; `attachment` overrides its fields.
  ClaudeSession& queued(const std::string& text,
                        const nlohmann::json& more = nlohmann::json::object(),
                        const nlohmann::json& attachment = nlohmann::json::object());
  /// What happens to the queue of such texts; without a text where it is empty.
  ClaudeSession& queue(const std::string& operation, const std::string& text = {},
                       const nlohmann::json& more = nlohmann::json::object());
  /// A compaction: a new root that says where it continues, and a summary.
  ClaudeSession& compact(const std::string& summary);
  /// Any record; `more` overrides its fields.
  ClaudeSession& add(const std::string& type, const nlohmann::json& message,
                     const nlohmann::json& more = nlohmann::json::object());
  ClaudeSession& line(const std::string& text);
  /// The next record follows the one with this id, as after a rewind.
  ClaudeSession& rewind_to(const std::string& uuid);
  std::string last() const { return parent_; }
  std::string text() const { return text_; }

 private:
  std::string text_, parent_;
  int count_ = 0;
};

std::string claude_jsonl(const Turns& turns);
std::string cursor_transcript(const Turns& turns);
std::string chatgpt_export(const Turns& turns, const std::string& id = "chat-1",
                           double updated = 1760640000.5);
std::string messages_array(const Turns& turns);
std::string messages_jsonl(const Turns& turns);

/// A database with Cursor's tables, open for writing in this process until the end of the object.
class CursorDatabase {
 public:
  explicit CursorDatabase(const std::filesystem::path& file);
  ~CursorDatabase();
  CursorDatabase(const CursorDatabase&) = delete;
  CursorDatabase& operator=(const CursorDatabase&) = delete;

  void run(const std::string& sql);
  void put(const std::string& table, const std::string& key, const std::string& value);
  /// A conversation with headers and bubbles, and an orphaned bubble that an edit left behind.
  void put_composer(const std::string& id, const Turns& turns,
                    const nlohmann::json& more = nlohmann::json::object());

 private:
  sqlite3* database_ = nullptr;
};

/// Where Claude Code keeps the sessions of a folder, and where Cursor keeps its databases, under
/// this home.
std::filesystem::path claude_folder(const std::filesystem::path& home,
                                    const std::filesystem::path& workspace);
std::filesystem::path cursor_folder(const std::filesystem::path& home);
