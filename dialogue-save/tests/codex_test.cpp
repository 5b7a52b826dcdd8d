// Codex CLI: both generations of its files, forks that continue another file, and what it says in
// the user's name.
#include "program.hpp"
#include "reading.hpp"
#include "stores.hpp"

#include <gmock/gmock.h>

namespace {

using Json = nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
namespace fs = std::filesystem;

/// A rollout, line by line.
class Rollout {
 public:
  explicit Rollout(const std::string& id, const Json& more = Json::object()) {
    Json meta = {{"id", id}, {"cwd", fs::current_path().string()}, {"source", "cli"}};
    meta.update(more);
    line("session_meta", meta);
  }
  Rollout& line(const std::string& type, const Json& payload) {
    text_ += Json{{"timestamp", "2026-09-01T00:00:00Z"},
                  {"ordinal", first + count_++},
                  {"type", type},
                  {"payload", payload}}
                 .dump() +
             "\n";
    return *this;
  }
  Rollout& response(const std::string& role, const std::string& text) {
    const Json block = {{"type", role == "user" ? "input_text" : "output_text"}, {"text", text}};
    return line("response_item", {{"type", "message"}, {"role", role}, {"content", {block}}});
  }
  Rollout& event(const std::string& role, const std::string& text) {
    return line("event_msg", {{"type", role + "_message"}, {"message", text}});
  }
  Rollout& item(const std::string& role, const std::string& text) {
    const bool user = role == "user";
    const Json block = {{"type", user ? "text" : "Text"}, {"text", text}};
    return line(
        "event_msg",
        {{"type", "item_completed"},
         {"item",
          {{"type", user ? "UserMessage" : "AgentMessage"}, {"id", "i"}, {"content", {block}}}}});
  }
  Rollout& happens(const std::string& type, const Json& more = Json::object()) {
    Json payload = {{"type", type}};
    payload.update(more);
    return line("event_msg", payload);
  }
  const std::string& text() const { return text_; }
  std::size_t count() const { return count_; }

  std::size_t first = 0;  // the number of the first line

 private:
  std::string text_;
  std::size_t count_ = 0;
};

class Codex : public InFolder {
 protected:
  static std::vector<std::string> texts(const Rollout& rollout, bool all_branches = false) {
    write_file("rollout-x.jsonl", rollout.text());
    dialogue::Options options;
    options.read.all_branches = all_branches;
    return read_texts("rollout-x.jsonl", options);
  }
  fs::path sessions() const { return home / ".codex/sessions/2026/09/01"; }
};

TEST_F(Codex, EachGenerationTellsTheSameConversation) {
  const auto expected = ElementsAre("Q:1", "A:one", "A:more", "Q:2", "A:two");
  Rollout responses("r"), events("e"), items("i"), both("b");
  for (const auto& [role, text] : std::vector<std::pair<std::string, std::string>>{
           {"user", "1"}, {"agent", "one"}, {"agent", "more"}, {"user", "2"}, {"agent", "two"}}) {
    const std::string model_role = role == "user" ? "user" : "assistant";
    responses.response(model_role, text)
        .line("response_item", {{"type", "reasoning"}, {"content", "hidden"}});
    events.response(model_role, text).event(role, text);
    items.response(model_role, text).item(role, text).happens("token_count");
    both.event(role, text).item(role, text);
  }
  for (const Rollout& rollout : {responses, events, items, both})
    EXPECT_THAT(texts(rollout), expected);
}

TEST_F(Codex, ASessionThatANewerVersionWentOnWithLosesNothing) {
  Rollout rollout("m");
  rollout.event("user", "1")
      .event("agent", "one")
      .item("user", "2")
      .item("agent", "two")
      .item("agent", "two");
  EXPECT_THAT(texts(rollout), ElementsAre("Q:1", "A:one", "Q:2", "A:two", "A:two"));
}

TEST_F(Codex, WhatItSaysInTheUsersNameIsNoQuestion) {
  Rollout rollout("n");
  for (const char* text : {"<environment_context>\n<cwd>/p</cwd>\n</environment_context>",
                           "<turn_aborted>\nx\n</turn_aborted>",
                           "# AGENTS.md instructions for /p\n\n<INSTRUCTIONS>\nx\n</INSTRUCTIONS>",
                           "<user_instructions>x</user_instructions>",
                           "<user_shell_command>\nls\n</user_shell_command>"})
    rollout.response("user", text);
  rollout.response("developer", "x")
      .response("user", "<environment_context> is what?")
      .response("assistant", "a");
  EXPECT_THAT(texts(rollout), ElementsAre("Q:<environment_context> is what?", "A:a"));
  Rollout editor("e");
  editor.event(
      "user",
      "# Context from my IDE setup:\n\n## Active file: a.cpp\n\n## My request for Codex:\ntyped\n");
  editor.line(
      "event_msg",
      {{"type", "user_message"}, {"message", ""}, {"images", {"data:image/png;base64,AAAA"}}});
  EXPECT_THAT(texts(editor), ElementsAre("Q:typed\n", "Q:[image]"));
}

TEST_F(Codex, TurnsThatWereTakenBackAreLeftOut) {
  Rollout rollout("t");
  rollout.event("user", "1").event("agent", "one");
  rollout.happens("task_started")
      .event("user", "wrong")
      .event("agent", "x")
      .event("user", "wrong too")
      .happens("turn_aborted");
  rollout.happens("thread_rolled_back", {{"num_turns", 1}})
      .event("user", "2")
      .event("agent", "two");
  EXPECT_THAT(texts(rollout), ElementsAre("Q:1", "A:one", "Q:2", "A:two"));
  EXPECT_THAT(texts(rollout, true),
              ElementsAre("Q:1", "A:one", "Q:wrong", "A:x", "Q:wrong too", "Q:2", "A:two"));
}

TEST_F(Codex, AForkBeginsInTheFileThatItNames) {
  Rollout base("aaa");
  base.item("user", "1").item("agent", "one");
  const std::size_t ordinal = base.count(), offset = base.text().size();
  base.item("user", "not in the fork");
  write_file(sessions() / "rollout-2026-09-01T00-00-00-aaa.jsonl", base.text());
  for (const Json& end :
       {Json{{"end_ordinal_exclusive", ordinal}}, Json{{"end_byte_offset", offset}},
        Json{{"end_ordinal_exclusive", ordinal}, {"end_byte_offset", offset}}}) {
    Json position = {{"thread_id", "aaa"}};
    position.update(end);
    Rollout fork("bbb", {{"history_base", position}});
    fork.item("user", "2").item("agent", "two");
    EXPECT_THAT(texts(fork), ElementsAre("Q:1", "A:one", "Q:2", "A:two")) << end;
    write_file("rollout-2026-09-02T00-00-00-bbb.jsonl", fork.text());
    Rollout second("ccc", {{"history_base", {{"thread_id", "bbb"}, {"end_ordinal_exclusive", 2}}}});
    EXPECT_THAT(texts(second.item("user", "3")), ElementsAre("Q:1", "A:one", "Q:2", "Q:3")) << end;
  }
  write_file(
      "lost.jsonl",
      Rollout("ddd", {{"history_base", {{"thread_id", "nowhere"}}}}).item("user", "4").text());
  EXPECT_THAT(shell("$tool lost.jsonl -o -").err,
              HasSubstr("the beginning is missing: it is in the rollout nowhere"));
  write_file("rollout-x-eee.jsonl",
             Rollout("eee", {{"history_base", {{"thread_id", "eee"}}}}).item("user", "5").text());
  EXPECT_THAT(shell("$tool rollout-x-eee.jsonl -o -").out, HasSubstr("用户：5"));
}

TEST_F(Codex, ItsStoreIsSearchedForTheFolderOrTheRunningSession) {
  write_file(sessions() / "rollout-2026-09-01T00-00-00-aaa.jsonl",
             Rollout("aaa").event("user", "here").text());
  write_file(sessions() / "rollout-2026-09-01T00-00-01-bbb.jsonl",
             Rollout("bbb", {{"cwd", "/usr"}}).event("user", "elsewhere").text());
  const Json spawned = {
      {"source", {{"subagent", {{"thread_spawn", {{"parent_thread_id", "aaa"}}}}}}}};
  write_file(sessions() / "rollout-2026-09-01T00-00-02-ccc.jsonl",
             Rollout("ccc", spawned).event("user", "to a sub-agent").text());
  EXPECT_THAT(shell("$tool -o -").out, HasSubstr("用户：here"));
  EXPECT_THAT(shell("$tool --list").out,
              testing::Not(testing::AnyOf(HasSubstr("elsewhere"), HasSubstr("sub-agent"))));
  EXPECT_THAT(shell("CODEX_THREAD_ID=bbb $tool -o -").out, HasSubstr("用户：elsewhere"));
  EXPECT_THAT(shell("$tool --session ccc -o -").out, HasSubstr("用户：to a sub-agent"));
  fs::rename(home / ".codex", folder / "codex");
  EXPECT_THAT(shell("CODEX_HOME=../codex $tool -o -").out, HasSubstr("用户：here"));
}

}  // namespace
