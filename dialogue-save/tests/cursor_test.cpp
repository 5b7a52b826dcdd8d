// Cursor: its databases of all ages, and how a folder's conversations are found.
#include "formats/cursor_bubble.hpp"
#include "formats/cursor_workspaces.hpp"
#include "program.hpp"
#include "reading.hpp"
#include "stores.hpp"

#include <gmock/gmock.h>

namespace {

using Json = nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
namespace fs = std::filesystem;

class Cursor : public InFolder {
 protected:
  fs::path user() const { return cursor_folder(home); }
  void add_workspace(const std::string& id, const std::string& uri,
                     const Json& composers = nullptr) const {
    const fs::path storage = user() / "workspaceStorage" / id;
    write_file(storage / "workspace.json", Json{{"folder", uri}}.dump());
    CursorDatabase database(storage / "state.vscdb");
    if (!composers.is_null()) database.put("ItemTable", "composer.composerData", composers.dump());
  }
  std::string project_uri() const { return "file://" + fs::current_path().string(); }
};

TEST_F(Cursor, TheHeadersSayWhichBubblesCountAndInWhichOrder) {
  CursorDatabase database("state.vscdb");
  database.put_composer("c", {ask("1"), reply("one"), ask("2"), reply("two"), ask("3")});
  EXPECT_THAT(read_texts("state.vscdb"), ElementsAre("Q:1", "A:one", "Q:2", "A:two", "Q:3"));
}

TEST_F(Cursor, ABubbleThatIsNamedAndNotThereIsCounted) {
  CursorDatabase database("state.vscdb");
  database.put_composer("c", {ask("1"), reply("one"), ask("2")});
  database.run("DELETE FROM cursorDiskKV WHERE CAST(value AS TEXT) LIKE '%\"text\":\"2\"%'");
  database.run(
      "UPDATE cursorDiskKV SET value = CAST(substr(value, 1, 20) AS BLOB) WHERE CAST(value AS "
      "TEXT) LIKE '%\"text\":\"one\"%'");
  dialogue::Report report;
  EXPECT_THAT(read_texts("state.vscdb", {}, &report), ElementsAre("Q:1"));
  EXPECT_EQ(report.damaged, 2u);
}

TEST_F(Cursor, OlderConversationsHoldTheirBubblesThemselves) {
  CursorDatabase database("state.vscdb");
  const Json conversation = {{{"type", 1}, {"bubbleId", "x"}, {"text", "first wording"}},
                             {{"type", 2}, {"bubbleId", "y"}, {"text", "answer"}}};
  database.put("cursorDiskKV", "composerData:c",
               Json{{"composerId", "c"}, {"conversation", conversation}}.dump());
  database.put("cursorDiskKV", "bubbleId:c:x", Json{{"text", "newer wording"}}.dump());
  EXPECT_THAT(read_texts("state.vscdb"), ElementsAre("Q:newer wording", "A:answer"));
}

TEST_F(Cursor, TheOldChatPanelIsRead) {
  CursorDatabase database("state.vscdb");
  const Json user_bubble = {
      {"type", "user"},
      {"text", ""},
      {"initText",
       R"({"root":{"children":[{"type":"paragraph","children":[{"type":"text","text":"typed"}]}]}})"}};
  const Json bubbles = {user_bubble,
                        {{"type", "ai"}, {"rawText", "said"}},
                        {{"type", "user"}, {"text", "shown"}, {"delegate", {{"a", "delegated"}}}}};
  const Json tabs = {{{"tabId", "old"},
                      {"chatTitle", "Old"},
                      {"lastSendTime", 1700000000000},
                      {"bubbles", Json::array()}},
                     {{"tabId", "new"},
                      {"chatTitle", "New"},
                      {"lastSendTime", 1710000000000},
                      {"bubbles", bubbles}}};
  database.put("ItemTable", "workbench.panel.aichat.view.aichat.chatdata",
               Json{{"tabs", tabs}}.dump());
  EXPECT_THAT(read_texts("state.vscdb"), ElementsAre("Q:typed", "A:said", "Q:delegated"));
}

TEST_F(Cursor, TheEditorsStateIsTextMentionsAndBreaks) {
  EXPECT_EQ(
      dialogue::lexical_text(
          R"({"root":{"children":[{"type":"paragraph","children":[{"type":"text","text":"see "},{"type":"mention","mentionName":"a.cpp"},
      {"type":"linebreak"},{"type":"text","text":"and"}]},{"type":"paragraph","children":[]},{"type":"paragraph","children":[{"type":"text","text":"go"}]}]}})"),
      "see a.cpp\nand\n\ngo");
  EXPECT_EQ(dialogue::lexical_text("not JSON"), "");
}

TEST_F(Cursor, CommandBodiesInWhatWasTypedStayUnlessTheyAreUnwanted) {
  const std::string typed =
      "/review this\n\n--- Cursor Command: review.md ---\nLook closely.\n--- End Command ---";
  CursorDatabase("state.vscdb").put_composer("c", {ask(typed)});
  EXPECT_THAT(read_texts("state.vscdb"), ElementsAre("Q:" + typed));
  dialogue::Options options;
  options.read.commands = dialogue::Commands::typed;
  EXPECT_THAT(read_texts("state.vscdb", options), ElementsAre("Q:/review this"));
}

TEST_F(Cursor, TranscriptsGiveWhatIsInsideTheQuery) {
  write_file(
      "t.jsonl",
      R"({"role":"user","message":{"content":[{"type":"text","text":"<cursor_commands>\nbody\n</cursor_commands>\n<user_query>\n/review <b>\n</user_query>"}]}})"
      "\n"
      R"({"role":"assistant","message":{"content":[{"type":"text","text":"shown\n[REDACTED]"},{"type":"tool_use","name":"x"}]}})"
      "\n"
      R"({"role":"assistant","message":{"content":[{"type":"text","text":"about [REDACTED] marks"}]}})"
      "\n"
      R"({"role":"user","message":{"content":"<timestamp>now</timestamp>\nno query"}})"
      "\n");
  EXPECT_THAT(read_texts("t.jsonl"), ElementsAre("Q:/review <b>", "A:shown\n",
                                                 "A:about [REDACTED] marks", "Q:\nno query"));
  dialogue::Options full;
  full.read.commands = dialogue::Commands::full;
  EXPECT_EQ(read_texts("t.jsonl", full).front(), "Q:/review <b>\n\nbody");
}

TEST_F(Cursor, AFoldersConversationsAreThoseThatEitherSideNames) {
  add_workspace(
      "w1", project_uri(),
      {{"allComposers", {{{"composerId", "by-list"}}}}, {"selectedComposerIds", {"by-tab"}}});
  add_workspace("w2", "file:///elsewhere");
  CursorDatabase database(user() / "globalStorage/state.vscdb");
  for (const char* id : {"by-list", "by-tab", "unnamed"}) database.put_composer(id, {ask(id)});
  database.put_composer("by-id", {ask("by-id")}, {{"workspaceIdentifier", {{"id", "w1"}}}});
  database.put_composer(
      "by-path", {ask("by-path")},
      {{"workspaceIdentifier", {{"uri", {{"fsPath", fs::current_path().string()}}}}}});
  database.put_composer(
      "other", {ask("other")},
      {{"workspaceIdentifier", {{"id", "w2"}}}, {"lastUpdatedAt", 1900000000000}});
  const Result list = shell("$tool --list");
  for (const char* id : {"by-list", "by-tab", "by-id", "by-path"})
    EXPECT_THAT(list.out, HasSubstr(id));
  EXPECT_THAT(list.out, Not(testing::AnyOf(HasSubstr("other"), HasSubstr("unnamed"))));
  EXPECT_THAT(shell("$tool --session unn -o -").out, HasSubstr("用户：unnamed"));
}

TEST_F(Cursor, ADamagedDatabaseOfTheFolderDoesNotHideTheOthers) {
  add_workspace("w1", project_uri());
  write_file(user() / "workspaceStorage/w1/state.vscdb", "SQLite format 3, and no more");
  const Json stamp = {{"workspaceIdentifier", {{"id", "w1"}}}, {"name", "bell\a and \x1b[31mred"}};
  CursorDatabase(user() / "globalStorage/state.vscdb").put_composer("c", {ask("q")}, stamp);
  const Result run = shell("$tool -o -");
  EXPECT_THAT(run.out, HasSubstr("用户：q"));
  EXPECT_THAT(run.err,
              testing::AllOf(HasSubstr("left out: [sqlite]"), HasSubstr("'bell  and  [31mred'")));
}

TEST_F(Cursor, ATranscriptBesideTheDatabaseIsTheSameConversation) {
  add_workspace("w1", project_uri(), {{"selectedComposerIds", {"c-1"}}});
  for (const char* id : {"c-1", "c-3"}) {
    const Turns turns = id == std::string("c-1") ? Turns{ask("from the database")} : Turns{};
    CursorDatabase(user() / "globalStorage/state.vscdb").put_composer(id, turns);
  }
  std::string name = claude_folder(home, ".").filename().string().substr(1);
  write_file(home / ".cursor/projects" / name / "agent-transcripts/c-1/c-1.jsonl",
             cursor_transcript({ask("from the transcript")}));
  write_file(home / ".cursor/projects" / name / "agent-transcripts/c-2.jsonl",
             cursor_transcript({ask("only a transcript")}));
  EXPECT_THAT(shell("$tool --session c-1 -o -").out, HasSubstr("用户：from the database"));
  write_file(home / ".cursor/projects" / name / "agent-transcripts/c-3.jsonl",
             cursor_transcript({ask("not in the database")}));
  EXPECT_THAT(shell("$tool --session c-3 -o -").out, HasSubstr("用户：not in the database"));
  EXPECT_THAT(shell("$tool --session c-2 -o -").out, HasSubstr("用户：only a transcript"));
}

TEST_F(Cursor, PathsOfUrisAreDecoded) {
  EXPECT_EQ(dialogue::path_of_uri("file:///home/me/a%20b%23"), "/home/me/a b#");
  EXPECT_EQ(dialogue::path_of_uri("vscode-remote://ssh-remote%2Bhost/srv/x"), "/srv/x");
  EXPECT_EQ(dialogue::path_of_uri("file:///100%"), "/100%");
  EXPECT_EQ(dialogue::path_of_uri("nonsense"), "");
}

TEST_F(Cursor, AProjectWithSpecialCharactersIsFound) {
  const fs::path odd = fs::current_path() / "a b#c?%41";
  fs::create_directories(odd);
  add_workspace("w1", "file://" + fs::current_path().string() + "/a%20b%23c%3F%2541",
                {{"selectedComposerIds", {"c"}}});
  CursorDatabase(user() / "globalStorage/state.vscdb").put_composer("c", {ask("found")});
  fs::copy_file(user() / "globalStorage/state.vscdb", odd / "copy #1?.vscdb");
  EXPECT_THAT(shell("cd 'a b#c?%41' && $tool -o -").out, HasSubstr("用户：found"));
  EXPECT_THAT(shell("$tool 'a b#c?%41/copy #1?.vscdb' -o -").out, HasSubstr("用户：found"));
}

TEST_F(Cursor, TheHeadersOfVersion3SayTheFolder) {
  add_workspace("w1", project_uri(), {{"selectedComposerIds", {"open-elsewhere"}}});
  CursorDatabase database(user() / "globalStorage/state.vscdb");
  const Json here = {{"uri", {{"fsPath", fs::current_path().string()}}}},
             elsewhere = {{"id", "w2"}, {"uri", {{"fsPath", "/x"}}}};
  for (const char* id : {"by-item", "by-column", "by-value", "in-item-elsewhere", "unnamed"})
    database.put_composer(id, {ask(id)});
  database.put_composer("open-elsewhere", {ask("x")}, {{"workspaceIdentifier", elsewhere}});
  const Json all = {{{"composerId", "by-item"}, {"workspaceIdentifier", {{"id", "w1"}}}},
                    {{"composerId", "in-item-elsewhere"}, {"workspaceIdentifier", elsewhere}}};
  database.put("ItemTable", "composer.composerHeaders", Json{{"allComposers", all}}.dump());
  database.run(
      "CREATE TABLE composerHeaders (composerId TEXT PRIMARY KEY, workspaceId TEXT, isSubagent "
      "INTEGER, value TEXT)");
  database.run("INSERT INTO composerHeaders VALUES ('by-column', 'w1', 0, NULL)");
  database.run("INSERT INTO composerHeaders VALUES ('by-value', NULL, 0, '" +
               Json{{"workspaceIdentifier", here}}.dump() + "')");
  const Result list = shell("$tool --list");
  for (const char* id : {"by-item", "by-column", "by-value"}) EXPECT_THAT(list.out, HasSubstr(id));
  EXPECT_THAT(list.out, Not(testing::AnyOf(HasSubstr("elsewhere"), HasSubstr("unnamed"))));
}

TEST_F(Cursor, SubAgentsAndOtherTriesAreMeantOnlyIfTheyAreNamed) {
  add_workspace("w1", project_uri());
  CursorDatabase database(user() / "globalStorage/state.vscdb");
  const auto put = [&](const char* id, Json more) {
    more.update({{"workspaceIdentifier", {{"id", "w1"}}}});
    if (!more.contains("lastUpdatedAt")) more["lastUpdatedAt"] = 1900000000000;
    database.put_composer(id, {ask(std::string("asked in ") + id)}, more);
  };
  put("main", {{"lastUpdatedAt", 1800000000000},
               {"subagentComposerIds", {"kid-by-list"}},
               {"subComposerIds", {"try-by-list"}}});
  put("kid-by-info", {{"subagentInfo", {{"parentComposerId", "main"}}}});
  put("try-by-flag", {{"isBestOfNSubcomposer", true}});
  for (const char* id : {"kid-by-list", "try-by-list", "kid-by-column"}) put(id, Json::object());
  database.run(
      "CREATE TABLE composerHeaders (composerId TEXT PRIMARY KEY, isSubagent INTEGER, value TEXT)");
  database.run("INSERT INTO composerHeaders VALUES ('kid-by-column', 1, '{}')");
  const fs::path transcripts =
      home / ".cursor/projects" / claude_folder(home, ".").filename().string().substr(1);
  write_file(transcripts / "agent-transcripts/kid-by-info.jsonl",
             cursor_transcript({ask("the same once more")}));
  EXPECT_THAT(shell("$tool -o -").out, HasSubstr("用户：asked in main"));
  EXPECT_THAT(shell("$tool --list").out, testing::AllOf(HasSubstr("main"), Not(HasSubstr("by-"))));
  EXPECT_THAT(shell("$tool --list " + (user() / "globalStorage/state.vscdb").string()).out,
              Not(HasSubstr("by-")));
  EXPECT_THAT(shell("$tool --session kid-by-info -o -").out,
              HasSubstr("用户：asked in kid-by-info"));
}

TEST_F(Cursor, WhatItWroteInTheUsersNameIsNoQuestion) {
  const std::string notice =
      "<system_notification>\nThe task has finished.\n</system_notification>\n<user_query>Inform "
      "the user.</user_query>";
  const std::string goal = "<system_notification source=\"goal\">Continue.</system_notification>";
  const std::string mention = "<system_notification> is shown to me. Why?";
  CursorDatabase database("state.vscdb");
  Json headers = Json::array();
  const auto add = [&](const Json& bubble, const Json& header = Json::object()) {
    const std::string id = "b" + std::to_string(headers.size());
    headers.push_back({{"bubbleId", id}, {"type", bubble["type"]}});
    headers.back().update(header);
    database.put("cursorDiskKV", "bubbleId:c:" + id, bubble.dump());
  };
  add({{"type", 1}, {"text", "1"}});
  add({{"type", 1},
       {"text", "Implement the plan."},
       {"isSimulatedMsg", true},
       {"simulatedMsgReason", 1}});
  add({{"type", 1}, {"text", "Continue."}}, {{"grouping", {{"isSimulatedMsg", true}}}});
  for (const std::string& text : {notice, goal, mention}) add({{"type", 1}, {"text", text}});
  add({{"type", 2}, {"text", "done"}});
  database.put("cursorDiskKV", "composerData:c",
               Json{{"composerId", "c"}, {"fullConversationHeadersOnly", headers}}.dump());
  EXPECT_THAT(read_texts("state.vscdb"), ElementsAre("Q:1", "Q:" + mention, "A:done"));
  const auto line = [](const std::string& text) {
    return Json{{"role", "user"}, {"message", {{"content", {{{"type", "text"}, {"text", text}}}}}}}
               .dump() +
           "\n";
  };
  write_file("t.jsonl", line("<user_query>\n1\n</user_query>") +
                            line("<timestamp>now</timestamp>\n" + notice) + line(goal) +
                            line("<user_info>\nLinux\n</user_info>") +
                            line("<user_query>\n" + mention + "\n</user_query>"));
  EXPECT_THAT(read_texts("t.jsonl"), ElementsAre("Q:1", "Q:" + mention));
}

TEST_F(Cursor, ATranscriptOfAFolderWhoseNameFoldsToTheSameIsAnothers) {
  for (const char* path : {"my-app", "my_app", "my  app"}) fs::create_directories(path);
  const fs::path project = home / ".cursor/projects" /
                           (claude_folder(home, ".").filename().string().substr(1) + "-my-app");
  write_file(project / "agent-transcripts/t.jsonl", cursor_transcript({ask("about one of them")}));
  EXPECT_THAT(shell("cd 'my  app' && $tool -o -").out, HasSubstr("about one of them"));
  write_file(project / ".workspace-trusted",
             Json{{"workspacePath", (fs::current_path() / "my_app").string()}}.dump());
  EXPECT_THAT(shell("cd my_app && $tool -o -").out, HasSubstr("about one of them"));
  EXPECT_EQ(shell("cd my-app && $tool").status, 3);
}

}  // namespace
