// Claude Code sessions: what is a question, which branch counts, which file is found.
#include "program.hpp"
#include "reading.hpp"
#include "stores.hpp"

#include <gmock/gmock.h>

namespace {

using Json = nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using Texts = std::vector<std::string>;
namespace fs = std::filesystem;

class Claude : public InFolder {
 protected:
  static Texts texts(const ClaudeSession& session, const dialogue::ReadOptions& read = {}) {
    write_file("s.jsonl", session.text());
    dialogue::Options options;
    options.from = "claude";
    options.read = read;
    return read_texts("s.jsonl", options);
  }
};

Json blocks(std::initializer_list<Json> list) { return {{"role", "user"}, {"content", Json(list)}}; }
Json text_block(const std::string& text) { return {{"type", "text"}, {"text", text}}; }

TEST_F(Claude, WhatAProgramWroteInTheUsersNameIsNoQuestion) {
  ClaudeSession session;
  session.ask("real");
  for (const char* text : {"<local-command-stdout>x</local-command-stdout>", "Caveat: The messages below were generated",
                           "<bash-input>ls</bash-input>", "<task-notification>", "[Request interrupted by user]",
                           "<local-command-caveat>x", "<bash-stderr>"}) {
    session.ask(text);
  }
  session.add("user", {{"content", "meta"}}, {{"isMeta", true}});
  session.add("user", {{"content", "summary"}}, {{"isCompactSummary", true}});
  session.add("user", {{"content", "visible"}}, {{"isVisibleInTranscriptOnly", true}});
  session.add("user", {{"content", "side"}}, {{"isSidechain", true}});
  session.add("assistant", {{"model", "<synthetic>"}, {"content", {text_block("No response requested.")}}});
  session.ask("a question about <bash-input> itself");
  EXPECT_THAT(texts(session), ElementsAre("Q:real", "Q:a question about <bash-input> itself"));
}

TEST_F(Claude, WrappersOfTheEditorAreDroppedWholeAndOnlyAroundTheText) {
  ClaudeSession session;
  session.add("user", blocks({text_block("<ide_opened_file>a.cpp</ide_opened_file>"), text_block("first"),
                              text_block("second\n<system-reminder>x</system-reminder>")}));
  session.ask("<ide_selection>lines</ide_selection>\nwhy?");
  session.ask("what does <system-reminder> mean, and </system-reminder>?");
  EXPECT_THAT(texts(session),
              ElementsAre("Q:first\n\nsecond", "Q:\nwhy?", "Q:what does <system-reminder> mean, and </system-reminder>?"));
}

TEST_F(Claude, CommandsAreWhatWasTyped) {
  ClaudeSession session;
  session.ask(
      "<command-name>/review</command-name>\n<command-message>review</command-message>\n<command-args>a < b</command-args>");
  session.add("user", {{"content", "The body of the command."}}, {{"isMeta", true}});
  session.ask("<command-message>old</command-message>\n<command-name>old</command-name>");
  EXPECT_THAT(texts(session), ElementsAre("Q:/review a < b", "Q:/old"));
  EXPECT_THAT(texts(session, {.commands = dialogue::Commands::full}),
              ElementsAre("Q:/review a < b\n\nThe body of the command.", "Q:/old"));
}

TEST_F(Claude, PicturesAreNamedOnlyWhereTheMessageWouldBeEmpty) {
  const Json image = {{"type", "image"}, {"source", {{"type", "base64"}, {"data", "AAAA"}}}};
  ClaudeSession session;
  session.add("user", blocks({image, image}));
  session.add("user", blocks({image, text_block("what is this?")}));
  EXPECT_THAT(texts(session), ElementsAre("Q:[image]\n[image]", "Q:what is this?"));
}

TEST_F(Claude, WhatWasTypedDuringAnAnswerIsAQuestionOnce) {
  ClaudeSession session;
  session.ask("first").reply("working");
  session.line(R"({"type":"queue-operation","operation":"remove","content":"and tests"})"
               "\n");
  session.line(R"({"type":"queue-operation","operation":"enqueue","content":"not this"})"
               "\n");
  session.add("attachment", nullptr,
              {{"attachment", {{"type", "queued_command"}, {"commandMode", "prompt"}, {"prompt", "and tests"}}}});
  session.add(
      "attachment", nullptr,
      {{"attachment",
        {{"type", "queued_command"}, {"commandMode", "prompt"}, {"origin", {{"kind", "task"}}}, {"prompt", "from a program"}}}});
  session.line(R"({"type":"queue-operation","operation":"remove","content":"only here"})"
               "\n");
  EXPECT_THAT(texts(session), ElementsAre("Q:first", "A:working", "Q:and tests", "Q:only here"));
}

TEST_F(Claude, ARewoundTurnIsDroppedWithAllThatFollowedIt) {
  ClaudeSession session;
  session.ask("1").reply("one");
  const std::string fork = session.last();
  session.ask("2 wrong").reply("two wrong").ask("3 wrong").rewind_to(fork).ask("2 right").reply("two right");
  EXPECT_THAT(texts(session), ElementsAre("Q:1", "A:one", "Q:2 right", "A:two right"));
  EXPECT_THAT(texts(session, {.all_branches = true}),
              ElementsAre("Q:1", "A:one", "Q:2 wrong", "A:two wrong", "Q:3 wrong", "Q:2 right", "A:two right"));
}

TEST_F(Claude, ForksThatAreNoRewindsLoseNothing) {
  ClaudeSession session;
  session.ask("1");
  const std::string fork = session.last();
  session.reply("first of two parallel steps").rewind_to(fork).reply("second of them").ask("2").reply("two");
  EXPECT_THAT(texts(session), ElementsAre("Q:1", "A:first of two parallel steps", "A:second of them", "Q:2", "A:two"));
}

TEST_F(Claude, AReplayOfTheSameTimeIsKept) {
  ClaudeSession session;
  session.ask("1").reply("one");
  const std::string fork = session.last();
  const Json same = {{"timestamp", "2025-10-16T11:00:00Z"}};
  session.add("user", {{"content", "2"}}, same)
      .reply("first")
      .rewind_to(fork)
      .add("user", {{"content", "2"}}, same)
      .reply("again");
  EXPECT_THAT(texts(session), ElementsAre("Q:1", "A:one", "Q:2", "A:first", "Q:2", "A:again"));
}

TEST_F(Claude, DanglingParentsCompactionsAndCirclesLoseNothing) {
  ClaudeSession session;
  session.ask("1").reply("one");
  session.rewind_to("no such record").ask("2").reply("two");
  session.rewind_to("")
      .add("system", nullptr, {{"subtype", "compact_boundary"}, {"logicalParentUuid", session.last()}})
      .ask("3")
      .reply("three");
  session.add("user", {{"content", "4"}}, {{"uuid", "circle"}, {"parentUuid", "circle"}});
  EXPECT_THAT(texts(session), ElementsAre("Q:1", "A:one", "Q:2", "A:two", "Q:3", "A:three", "Q:4"));
}

TEST_F(Claude, LinesThatAResumedSessionRepeatsCountOnce) {
  ClaudeSession session;
  session.ask("1").reply("one");
  session.line(session.text()).ask("2");
  EXPECT_THAT(texts(session), ElementsAre("Q:1", "A:one", "Q:2"));
}

TEST_F(Claude, SidechainsComeOnRequestButNotTheWarmUp) {
  ClaudeSession session;
  const Json side = {{"isSidechain", true}};
  session.add("user", {{"content", "Warmup"}}, side).ask("1").add("user", {{"content", "task"}}, side).reply("one");
  EXPECT_THAT(texts(session), ElementsAre("Q:1", "A:one"));
  EXPECT_THAT(texts(session, {.sidechains = true}), ElementsAre("Q:1", "Q:task", "A:one"));
}

TEST_F(Claude, ALineThatIsBeingWrittenIsNoDamage) {
  write_file("s.jsonl", claude_jsonl({ask("1"), reply("one")}) + R"({"type":"user","uuid":"x","mess)");
  const Result run = shell("$tool s.jsonl -o - --strict");
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("用户：1  \n助手：one\n"));
}

TEST_F(Claude, TheNewestSessionOfTheFolderIsFound) {
  const fs::path store = claude_folder(home, ".");
  write_file(store / "aaaa-old.jsonl", claude_jsonl({ask("old")}));
  write_file(store / "bbbb-new.jsonl", claude_jsonl({ask("new")}));
  write_file(store / "cccc-empty.jsonl", claude_jsonl({}));
  write_file(store / "agent-12345678.jsonl", claude_jsonl({ask("a subagent")}));
  write_file(home / ".claude/projects/-other/dddd.jsonl", claude_jsonl({ask("elsewhere")}));
  shell("touch -d '2025-01-01' " + (store / "aaaa-old.jsonl").string());
  EXPECT_THAT(shell("$tool -o -").out, HasSubstr("用户：new"));
  EXPECT_THAT(shell("$tool -o -").err, HasSubstr("bbbb-new"));
  EXPECT_THAT(shell("$tool -o - --session aa").out, HasSubstr("用户：old"));
  EXPECT_THAT(shell("$tool -o - --session dd").out, HasSubstr("用户：elsewhere"));
  EXPECT_THAT(shell("CLAUDE_CODE_SESSION_ID=aaaa-old $tool -o -").out, HasSubstr("用户：old"));
  EXPECT_THAT(shell("cd / && $tool -o - --workspace " + fs::current_path().string()).out, HasSubstr("用户：new"));
}

TEST_F(Claude, AFolderWithAVeryLongPathIsFoundByWhatItsFilesSay) {
  fs::path deep = fs::current_path();
  while (deep.string().size() < 230) deep /= "a-rather-long-name";
  fs::create_directories(deep);
  const std::string cut = claude_folder(home, deep).filename().string().substr(0, 200);
  ClaudeSession session;
  write_file(home / ".claude/projects" / (cut + "-1a2b3c") / "s.jsonl",
             session.add("user", {{"content", "deep"}}, {{"cwd", deep.string()}}).text());
  EXPECT_THAT(shell("$tool -o - --workspace " + deep.string()).out, HasSubstr("用户：deep"));
}

}  // namespace
