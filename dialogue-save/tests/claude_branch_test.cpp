// Which branch of a Claude Code session is the conversation: rewinds, parallel tools, compactions.
#include "claude_session.hpp"

#include <gmock/gmock.h>

namespace {

using Json = nlohmann::json;
using testing::ElementsAre;

TEST_F(Claude, ARewoundTurnIsDroppedWithAllThatFollowedIt) {
  ClaudeSession session;
  session.ask("1").reply("one");
  const std::string fork = session.last();
  session.ask("2 wrong")
      .reply("two wrong")
      .ask("3 wrong")
      .rewind_to(fork)
      .ask("2 right")
      .reply("two right");
  EXPECT_THAT(texts(session), ElementsAre("Q:1", "A:one", "Q:2 right", "A:two right"));
  EXPECT_THAT(texts(session, {.all_branches = true}),
              ElementsAre("Q:1", "A:one", "Q:2 wrong", "A:two wrong", "Q:3 wrong", "Q:2 right",
                          "A:two right"));
}

TEST_F(Claude, ForksThatAreNoRewindsLoseNothing) {
  ClaudeSession session;
  session.ask("1");
  const std::string fork = session.last();
  session.reply("first of two parallel steps")
      .rewind_to(fork)
      .reply("second of them")
      .ask("2")
      .reply("two");
  EXPECT_THAT(texts(session), ElementsAre("Q:1", "A:first of two parallel steps",
                                          "A:second of them", "Q:2", "A:two"));
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
      .add("system", nullptr,
           {{"subtype", "compact_boundary"}, {"logicalParentUuid", session.last()}})
      .ask("3")
      .reply("three");
  session.add("user", {{"content", "4"}}, {{"uuid", "circle"}, {"parentUuid", "circle"}});
  EXPECT_THAT(texts(session), ElementsAre("Q:1", "A:one", "Q:2", "A:two", "Q:3", "A:three", "Q:4"));
}

/// Two compactions in one process: before the second, the program writes copies of what the first
/// one summed up, and the second boundary continues behind the last of them (claude-code#92089).
TEST_F(Claude, NothingBetweenTwoCompactionsIsLost) {
  for (const bool typed_behind_the_copies : {false, true}) {
    ClaudeSession session;
    session.ask("1");
    session.add("attachment", nullptr, {{"attachment", {{"type", "environment"}}}});
    const std::string copies = session.text();
    const std::string last_copy = session.last();
    session.reply("one").compact("first summary").ask("2").reply("two").ask("3").reply("three");
    session.line(copies).rewind_to(last_copy).add("system", nullptr,
                                                  {{"subtype", "stop_hook_summary"}});
    if (typed_behind_the_copies) session.ask("/compact");
    session.compact("second summary").ask("4").reply("four");
    std::vector<std::string> expected = {"Q:1", "A:one",   "Q:2", "A:two",
                                         "Q:3", "A:three", "Q:4", "A:four"};
    if (typed_behind_the_copies) expected.insert(expected.end() - 2, "Q:/compact");
    EXPECT_EQ(texts(session), expected);
  }
}

/// The same where the copies end before a typed row, and the next one is parented on the last copy.
TEST_F(Claude, WhatFollowsACopyBehindACompactionIsNoRewind) {
  ClaudeSession session;
  session.ask("1").reply("one");
  const std::string copies = session.text(), last_copy = session.last();
  session.ask("2").reply("two").compact("first summary").ask("3").reply("three");
  session.line(copies)
      .rewind_to(last_copy)
      .ask("/compact")
      .compact("second summary")
      .ask("4")
      .reply("four");
  const std::string fork = session.last();
  session.ask("wrong").rewind_to(fork).ask("5");
  EXPECT_THAT(texts(session), ElementsAre("Q:1", "A:one", "Q:2", "A:two", "Q:3", "A:three",
                                          "Q:/compact", "Q:4", "A:four", "Q:5"));
}

TEST_F(Claude, ABranchThatGoesOnWithoutSomethingTypedIsNoRewind) {
  const Json hook = {{"subtype", "stop_hook_summary"}},
             boundary = {{"subtype", "compact_boundary"}};
  for (const char* way : {"hook", "boundary", "answer", "notice"}) {
    ClaudeSession session;
    session.ask("1").reply("one");
    const std::string fork = session.last();
    session.ask("2").reply("two").rewind_to(fork);
    if (way == std::string("hook")) session.add("system", nullptr, hook).reply("more");
    if (way == std::string("boundary")) session.add("system", nullptr, boundary);
    if (way == std::string("answer")) session.reply("more");
    if (way == std::string("notice"))
      session.ask("<task-notification>\n<status>done</status>\n</task-notification>").reply("more");
    session.ask("3").reply("three");
    EXPECT_THAT(texts(session),
                testing::IsSupersetOf({"Q:1", "A:one", "Q:2", "A:two", "Q:3", "A:three"}))
        << way;
  }
}

TEST_F(Claude, ARewindIsOneBehindHooksAndLocalCommandsToo) {
  ClaudeSession session;
  session.ask("1").reply("one");
  const std::string fork = session.last();
  session.add("system", nullptr, {{"subtype", "turn_duration"}}).ask("wrong").reply("wrong too");
  session.rewind_to(fork).add("user", {{"content", "<local-command-caveat>x"}}, {{"isMeta", true}});
  session.ask("<command-name>/model</command-name>")
      .ask("<local-command-stdout>set</local-command-stdout>");
  session.ask("right").reply("at last");
  EXPECT_THAT(texts(session), ElementsAre("Q:1", "A:one", "Q:/model", "Q:right", "A:at last"));
}

TEST_F(Claude, ARewindIsOneBehindShellCommandsAndNotesToo) {
  for (const char* first : {"<bash-input>ls</bash-input>", "<bash-stdout>a</bash-stdout>",
                            "<user-memory-input>use tabs</user-memory-input>"}) {
    ClaudeSession session;
    session.ask("1").reply("one");
    const std::string fork = session.last();
    session.ask("wrong")
        .reply("wrong too")
        .rewind_to(fork)
        .ask(first)
        .ask("right")
        .reply("at last");
    EXPECT_THAT(texts(session), ElementsAre("Q:1", "A:one", "Q:right", "A:at last")) << first;
  }
}

TEST_F(Claude, TheSidesOfParallelToolsAreKeptWithWhatWasTypedOnThem) {
  ClaudeSession session;
  session.ask("1").tool_use("t1");
  const std::string first = session.last();
  session.tool_use("t2");
  const std::string second = session.last();
  session.rewind_to(first).tool_result("t1").queued("also this");
  session.rewind_to(first).add(
      "user", blocks({{{"type", "tool_result"}, {"tool_use_id", "t0"}}, text_block("and that")}));
  session.rewind_to(second).tool_result("t2").reply("both").ask("2").reply("two");
  EXPECT_THAT(texts(session),
              ElementsAre("Q:1", "Q:also this", "Q:and that", "A:both", "Q:2", "A:two"));
}

}  // namespace
