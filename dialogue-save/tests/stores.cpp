#include "stores.hpp"

#include <gtest/gtest.h>
#include <sqlite3.h>

using Json = nlohmann::json;
namespace fs = std::filesystem;

namespace {

std::string number(int n) { return (n < 10 ? "0" : "") + std::to_string(n); }
std::string time_at(int n) {
  return "2025-10-16T10:" + number(n / 60 % 60) + ":" + number(n % 60) + ".250Z";
}

}  // namespace

ClaudeSession& ClaudeSession::add(const std::string& type, const Json& message, const Json& more) {
  const std::string uuid = "u" + std::to_string(++count_);
  Json record = {{"type", type},
                 {"uuid", uuid},
                 {"parentUuid", parent_.empty() ? Json() : Json(parent_)},
                 {"sessionId", "s"},
                 {"timestamp", time_at(count_)},
                 {"isSidechain", false}};
  if (!message.is_null()) record["message"] = message;
  record.update(more);
  text_ += record.dump() + "\n";
  if (record["uuid"].is_string() && !record["isSidechain"]) parent_ = record["uuid"];
  return *this;
}

ClaudeSession& ClaudeSession::reply(const std::string& text) {
  add("assistant", {{"role", "assistant"},
                    {"model", "m"},
                    {"content", {{{"type", "thinking"}, {"thinking", "hidden"}}}}});
  return add(
      "assistant",
      {{"role", "assistant"}, {"model", "m"}, {"content", {{{"type", "text"}, {"text", text}}}}});
}

ClaudeSession& ClaudeSession::tool_use(const std::string& id) {
  return add("assistant",
             {{"role", "assistant"},
              {"model", "m"},
              {"content",
               {{{"type", "tool_use"}, {"id", id}, {"name", "Grep"}, {"input", {{"q", "x"}}}}}}});
}

ClaudeSession& ClaudeSession::tool_result(const std::string& id) {
  return add("user",
             {{"role", "user"},
              {"content",
               {{{"type", "tool_result"}, {"tool_use_id", id}, {"content", "a tool's result"}}}}});
}

ClaudeSession& ClaudeSession::queued(const std::string& text, const Json& more,
                                     const Json& attachment) {
  Json fields = {{"type", "queued_command"}, {"commandMode", "prompt"}, {"prompt", text}};
  if (!attachment.is_null()) fields.update(attachment);
  Json record = {{"attachment", fields}};
  if (!more.is_null()) record.update(more);
  return add("attachment", nullptr, record);
}

ClaudeSession& ClaudeSession::queue(const std::string& operation, const std::string& text,
                                    const Json& more) {
  Json row = {{"type", "queue-operation"}, {"operation", operation}};
  if (!text.empty()) row["content"] = text;
  row.update(more);
  return line(row.dump() + "\n");
}

ClaudeSession& ClaudeSession::compact(const std::string& summary) {
  const std::string leaf = parent_;
  add("system", nullptr,
      {{"subtype", "compact_boundary"}, {"parentUuid", nullptr}, {"logicalParentUuid", leaf}});
  return add("user", {{"content", summary}},
             {{"isCompactSummary", true}, {"isVisibleInTranscriptOnly", true}});
}

ClaudeSession& ClaudeSession::line(const std::string& text) {
  text_ += text;
  return *this;
}

ClaudeSession& ClaudeSession::rewind_to(const std::string& uuid) {
  parent_ = uuid;
  return *this;
}

std::string claude_jsonl(const Turns& turns) {
  ClaudeSession session;
  session.line(R"({"type":"file-history-snapshot","messageId":"m","snapshot":{}})"
               "\n");
  bool after_reply = false;
  for (const Turn& turn : turns) {
    if (turn.user) {
      session.ask(turn.text);
    } else {
      if (after_reply) session.tool();
      session.reply(turn.text);
    }
    after_reply = !turn.user;
  }
  return session
      .line(R"({"type":"last-prompt","lastPrompt":"x"})"
            "\n")
      .text();
}

std::string cursor_transcript(const Turns& turns) {
  std::string text;
  for (const Turn& turn : turns) {
    const std::string wrapped =
        turn.user
            ? "<timestamp>Thursday, Oct 16, 2025, 6:40 PM (UTC+8)</timestamp>\n<user_query>\n" +
                  turn.text + "\n</user_query>"
            : turn.text;
    Json content = {{{"type", "text"}, {"text", wrapped}}};
    if (!turn.user)
      content.push_back({{"type", "tool_use"}, {"name", "grep"}, {"input", {{"q", "x"}}}});
    text += Json{{"role", turn.user ? "user" : "assistant"}, {"message", {{"content", content}}}}
                .dump() +
            "\n";
  }
  return text + R"({"type":"turn_ended"})" + "\n";
}

std::string chatgpt_export(const Turns& turns, const std::string& id, double updated) {
  Json mapping = {
      {"root",
       {{"id", "root"}, {"message", nullptr}, {"parent", nullptr}, {"children", Json::array()}}}};
  std::string parent = "root";
  int count = 0;
  const auto add = [&](const std::string& role, const Json& content, const Json& more) {
    const std::string node = "n" + std::to_string(++count);
    Json message = {{"id", node},
                    {"author", {{"role", role}}},
                    {"content", content},
                    {"create_time", 1760640000.25 + count},
                    {"recipient", "all"}};
    message.update(more);
    mapping[node] = {
        {"id", node}, {"message", message}, {"parent", parent}, {"children", Json::array()}};
    mapping[parent]["children"].push_back(node);
    parent = node;
  };
  add("system", {{"content_type", "text"}, {"parts", {""}}},
      {{"metadata", {{"is_visually_hidden_from_conversation", true}}}});
  for (const Turn& turn : turns) {
    if (!turn.user) {
      add("assistant", {{"content_type", "thoughts"}, {"thoughts", {"hidden"}}}, Json::object());
      add("assistant", {{"content_type", "code"}, {"text", "search()"}},
          {{"recipient", "browser"}});
      add("tool", {{"content_type", "tether_quote"}, {"text", "a tool's result"}}, Json::object());
    }
    add(turn.user ? "user" : "assistant", {{"content_type", "text"}, {"parts", {turn.text}}},
        Json::object());
  }
  const std::string current = parent;
  // an abandoned regeneration of the last message
  if (count > 1) {
    parent = mapping[current]["parent"];
    add("assistant", {{"content_type", "text"}, {"parts", {"an abandoned answer"}}},
        Json::object());
  }
  return Json::array({{{"conversation_id", id},
                       {"title", "A talk"},
                       {"update_time", updated},
                       {"current_node", current},
                       {"mapping", mapping}}})
      .dump(1);
}

std::string messages_array(const Turns& turns) {
  Json array = Json::array({{{"role", "system"}, {"content", "be brief"}}});
  for (const Turn& turn : turns) {
    if (!turn.user)
      array.push_back(
          {{"role", "assistant"}, {"content", nullptr}, {"tool_calls", {{{"id", "t"}}}}});
    if (!turn.user) array.push_back({{"role", "tool"}, {"content", "a tool's result"}});
    array.push_back({{"role", turn.user ? "user" : "assistant"},
                     {"content", {{{"type", "text"}, {"text", turn.text}}}}});
  }
  return array.dump(2);
}

std::string messages_jsonl(const Turns& turns) {
  std::string text;
  for (const Turn& turn : turns)
    text += Json{{"role", turn.user ? "user" : "assistant"}, {"content", turn.text}}.dump() + "\n";
  return text;
}

CursorDatabase::CursorDatabase(const fs::path& file) {
  if (file.has_parent_path()) fs::create_directories(file.parent_path());
  EXPECT_EQ(sqlite3_open(file.c_str(), &database_), SQLITE_OK);
  run("CREATE TABLE IF NOT EXISTS ItemTable (key TEXT UNIQUE ON CONFLICT REPLACE, value BLOB)");
  run("CREATE TABLE IF NOT EXISTS cursorDiskKV (key TEXT UNIQUE ON CONFLICT REPLACE, value BLOB)");
}

CursorDatabase::~CursorDatabase() { sqlite3_close(database_); }

void CursorDatabase::run(const std::string& sql) {
  char* error = nullptr;
  EXPECT_EQ(sqlite3_exec(database_, sql.c_str(), nullptr, nullptr, &error), SQLITE_OK)
      << sql << ": " << (error ? error : "");
  sqlite3_free(error);
}

void CursorDatabase::put(const std::string& table, const std::string& key,
                         const std::string& value) {
  sqlite3_stmt* statement = nullptr;
  ASSERT_EQ(sqlite3_prepare_v2(database_, ("INSERT INTO " + table + " VALUES (?1, ?2)").c_str(), -1,
                               &statement, nullptr),
            SQLITE_OK);
  sqlite3_bind_text(statement, 1, key.data(), static_cast<int>(key.size()), SQLITE_STATIC);
  sqlite3_bind_blob(statement, 2, value.data(), static_cast<int>(value.size()), SQLITE_STATIC);
  EXPECT_EQ(sqlite3_step(statement), SQLITE_DONE);
  sqlite3_finalize(statement);
}

void CursorDatabase::put_composer(const std::string& id, const Turns& turns, const Json& more) {
  Json headers = Json::array();
  int count = 0;
  const auto add = [&](const Json& bubble, bool listed) {
    // names in an order of their own, so that neither key nor row order gives the conversation
    const std::string name = "b" + std::to_string((++count * 7919) % 10007);
    if (listed) headers.push_back({{"bubbleId", name}, {"type", bubble["type"]}});
    Json stored = bubble;
    stored["bubbleId"] = name;
    put("cursorDiskKV", "bubbleId:" + id + ":" + name, stored.dump());
  };
  for (const Turn& turn : turns) {
    if (!turn.user) {
      add({{"type", 2}, {"text", ""}, {"thinking", {{"text", "hidden"}}}}, true);
      add({{"type", 2},
           {"text", "a tool's text"},
           {"capabilityType", 15},
           {"toolFormerData", {{"name", "grep"}, {"result", "a tool's result"}}}},
          true);
    }
    Json bubble = {{"type", turn.user ? 1 : 2}, {"text", turn.text}, {"createdAt", time_at(count)}};
    if (!turn.user) bubble["codeBlocks"] = {{{"content", "repeated"}, {"languageId", "cpp"}}};
    add(bubble, true);
  }
  add({{"type", 1}, {"text", "an abandoned question"}}, false);
  Json composer = {{"composerId", id},
                   {"name", "A talk"},
                   {"createdAt", 1760640000000},
                   {"lastUpdatedAt", 1760640500000},
                   {"fullConversationHeadersOnly", headers}};
  composer.update(more);
  put("cursorDiskKV", "composerData:" + id, composer.dump());
}

fs::path claude_folder(const fs::path& home, const fs::path& workspace) {
  std::string name = fs::canonical(workspace).string();
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '-';
  return home / ".claude/projects" / name;
}

fs::path cursor_folder(const fs::path& home) { return home / ".config/Cursor/User"; }
