// Claude Code sessions: what is a question.
#include "claude_session.hpp"

#include <gmock/gmock.h>

namespace {

using Json = nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

TEST_F(Claude, WhatAProgramWroteInTheUsersNameIsNoQuestion) {
  ClaudeSession session;
  session.ask("real");
  for (const char* text :
       {"<local-command-stdout>x</local-command-stdout>",
        "Caveat: The messages below were generated", "<bash-input>ls</bash-input>",
        "<task-notification>", "[Request interrupted by user]", "<local-command-caveat>x",
        "<bash-stderr>"}) {
    session.ask(text);
  }
  session.add("user", {{"content", "meta"}}, {{"isMeta", true}});
  session.add("user", {{"content", "summary"}}, {{"isCompactSummary", true}});
  session.add("user", {{"content", "visible"}}, {{"isVisibleInTranscriptOnly", true}});
  session.add("user", {{"content", "side"}}, {{"isSidechain", true}});
  session.add("assistant",
              {{"model", "<synthetic>"}, {"content", {text_block("No response requested.")}}});
  session.ask("a question about <bash-input> itself");
  EXPECT_THAT(texts(session), ElementsAre("Q:real", "Q:a question about <bash-input> itself"));
}

TEST_F(Claude, WhatARecordSaysWasNotTypedIsNoQuestion) {
  ClaudeSession session;
  session.add("user", {{"content", "typed"}},
              {{"origin", {{"kind", "human"}}}, {"promptSource", "typed"}});
  for (const char* kind :
       {"task-notification", "peer", "auto-continuation", "channel", "one-of-tomorrow"}) {
    session.add("user", {{"content", "from a program"}}, {{"origin", {{"kind", kind}}}});
    session.queued("from a program", {}, {{"origin", {{"kind", kind}}}});
  }
  session.add("user", {{"content", "from the system"}}, {{"promptSource", "system"}});
  session.add("user", {{"content", "summed up"}}, {{"isCollapseSummary", true}});
  session.queued("meta", {}, {{"isMeta", true}})
      .queued("meta", {{"isMeta", true}})
      .queued("<agent-message from=\"a\">x</agent-message>");
  EXPECT_THAT(texts(session), ElementsAre("Q:typed"));
}

TEST_F(Claude, NoticesOfProgramsAreNoQuestionsBehindWrappersEither) {
  const std::string continued =
      "This session is being continued from a previous conversation that ran out of context. ";
  ClaudeSession session;
  for (const std::string& notice :
       {std::string(
            "<task-notification>\n<task-id>b1</task-id>\n</task-notification>\nRead the output."),
        std::string("<scheduled-task name=\"nightly\">\nrun it\n</scheduled-task>"),
        std::string("<teammate-message teammate_id=\"a\">\n{}\n</teammate-message>"),
        std::string("<agent-message from=\"a\">x</agent-message>"),
        std::string("<cross-session-message from=\"b\">x</cross-session-message>"),
        std::string("<channel source=\"chat\">\nx\n</channel>"),
        std::string("<user-memory-input>use tabs</user-memory-input>"),
        std::string("<bash-stdout>a</bash-stdout><bash-stderr></bash-stderr>"),
        std::string("[Request interrupted by user for tool use]"),
        continued +
            "The summary below covers the earlier portion of the conversation.\n\nSummary: x",
        continued + "The conversation is summarized below:\nx"}) {
    session.ask(notice)
        .ask("\n" + notice)
        .ask("<ide_opened_file>a.cpp</ide_opened_file>\n" + notice);
    session.ask("<system-reminder>\nx\n</system-reminder>\n" + notice);
    session.add("user",
                blocks({text_block("<ide_selection>x</ide_selection>"), text_block(notice)}));
  }
  session.add("user",
              blocks({text_block("[Request interrupted by user]"), text_block("do this instead")}));
  EXPECT_THAT(texts(session), ElementsAre("Q:do this instead"));
}

TEST_F(Claude, AQuestionThatOnlyMentionsANoticeStaysWhole) {
  std::vector<std::string> questions = {
      "<task-notification> what is that?",
      "<bash-input>ls</bash-input> prints nothing",
      "<bash-input>ls</bash-input>, why?",
      "<teammate-message>是什么意思？",
      "<system-reminder>x</system-reminder> is in my file",
      "<command-name>/x</command-name> is what it stores. Why?",
      "<ticket>12</ticket>",
      "<task-notification>\nis at the top of my log, why?",

      "[Request interrupted by user] appears whenever I press Esc",
      "This session is being continued from a previous conversation, says the program. Why?",
      "Caveat: The messages below are mine"};
  ClaudeSession session;
  for (std::string& question : questions) session.ask(question), question.insert(0, "Q:");
  EXPECT_EQ(texts(session), questions);
}

TEST_F(Claude, ACommandBehindAReminderIsWhatWasTyped) {
  const std::string reminder = "<system-reminder>\nx\n</system-reminder>\n";
  ClaudeSession session;
  session.ask(reminder + "<command-name>/review</command-name>\n<command-args>a.py</command-args>");
  session.queued(reminder +
                 "<command-message>tidy</command-message>\n<command-name>/tidy</command-name>");
  EXPECT_THAT(texts(session), ElementsAre("Q:/review a.py", "Q:/tidy"));
}

TEST_F(Claude, OnlyUnknownRowsThatLookLikeMessagesAreToldOf) {
  ClaudeSession session;
  session.ask("q").reply("a");
  for (const char* type : {"cost-state", "pr-link", "worktree-state", "file-history-delta",
                           "agent-color", "one-of-tomorrow"})
    session.line(Json{{"type", type}, {"sessionId", "s"}, {"value", {{"x", 1}}}}.dump() + "\n");
  write_file("s.jsonl", session.text());
  EXPECT_THAT(shell("$tool s.jsonl -o -").err, testing::Not(HasSubstr("unknown")));
  write_file("s.jsonl", session
                            .line(R"({"type":"spoken","message":{"content":"x"}})"
                                  "\n")
                            .text());
  EXPECT_THAT(shell("$tool s.jsonl -o -").err, HasSubstr("1 records of an unknown type"));
}

TEST_F(Claude, WrappersOfTheEditorAreDroppedWholeAndOnlyAroundTheText) {
  ClaudeSession session;
  session.add("user",
              blocks({text_block("<ide_opened_file>a.cpp</ide_opened_file>"), text_block("first"),
                      text_block("second\n<system-reminder>x</system-reminder>")}));
  session.ask("<ide_selection>lines</ide_selection>\nwhy?");
  session.ask("what does <system-reminder> mean, and </system-reminder>?");
  EXPECT_THAT(texts(session),
              ElementsAre("Q:first\n\nsecond", "Q:\nwhy?",
                          "Q:what does <system-reminder> mean, and </system-reminder>?"));
}

TEST_F(Claude, CommandsAreWhatWasTyped) {
  ClaudeSession session;
  session.ask(
      "<command-name>/review</command-name>\n<command-message>review</"
      "command-message>\n<command-args>a < b</command-args>");
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

TEST_F(Claude, LinesThatAResumedSessionRepeatsCountOnce) {
  ClaudeSession session;
  session.ask("1").reply("one");
  session.line(session.text()).ask("2");
  EXPECT_THAT(texts(session), ElementsAre("Q:1", "A:one", "Q:2"));
}

TEST_F(Claude, SidechainsComeOnRequestButNotTheWarmUp) {
  ClaudeSession session;
  const Json side = {{"isSidechain", true}};
  session.add("user", {{"content", "Warmup"}}, side)
      .ask("1")
      .add("user", {{"content", "task"}}, side)
      .reply("one");
  EXPECT_THAT(texts(session), ElementsAre("Q:1", "A:one"));
  EXPECT_THAT(texts(session, {.sidechains = true}), ElementsAre("Q:1", "Q:task", "A:one"));
}

TEST_F(Claude, ALineThatIsBeingWrittenIsNoDamage) {
  write_file("s.jsonl",
             claude_jsonl({ask("1"), reply("one")}) + R"({"type":"user","uuid":"x","mess)");
  const Result run = shell("$tool s.jsonl -o - --strict");
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("用户：1  \n助手：one\n"));
}

}  // namespace
