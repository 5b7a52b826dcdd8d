// What was typed while Claude Code worked: every version says it in other rows, and it counts once.
#include "claude_session.hpp"

#include <gmock/gmock.h>

namespace {

using Json = nlohmann::json;
using testing::ElementsAre;

TEST_F(Claude, WhatWasTypedDuringAnAnswerIsAQuestionOnce) {
  ClaudeSession session;
  session.ask("first").reply("working");
  session.line(R"({"type":"queue-operation","operation":"remove","content":"and tests"})"
               "\n");
  session.add("attachment", nullptr,
              {{"attachment",
                {{"type", "queued_command"}, {"commandMode", "prompt"}, {"prompt", "and tests"}}}});
  session.add("attachment", nullptr,
              {{"attachment",
                {{"type", "queued_command"},
                 {"commandMode", "prompt"},
                 {"origin", {{"kind", "task"}}},
                 {"prompt", "from a program"}}}});
  session.line(R"({"type":"queue-operation","operation":"remove","content":"only here"})"
               "\n");
  EXPECT_THAT(texts(session), ElementsAre("Q:first", "A:working", "Q:and tests", "Q:only here"));
}

TEST_F(Claude, AQueuedTextWithoutItsOwnPlaceInTheTreeIsKept) {
  ClaudeSession session;
  session.ask("1")
      .reply("one")
      .queued("more", {{"uuid", nullptr}, {"parentUuid", nullptr}})
      .reply("and more");
  session.ask("2").reply("two");
  EXPECT_THAT(texts(session), ElementsAre("Q:1", "A:one", "Q:more", "A:and more", "Q:2", "A:two"));
}

TEST_F(Claude, ATextThatOnlyTheQueueTellsIsAQuestion) {
  for (const char* end : {"reason", "text", "no text", "no row"}) {
    ClaudeSession session;
    session.ask("1").tool().queue("enqueue", "and tests");
    if (end == std::string("reason"))
      session.queue("remove", "and tests", {{"reason", "absorbed_mid_turn"}});
    if (end == std::string("text")) session.queue("remove", "and tests");
    if (end == std::string("no text")) session.queue("remove");
    session.tool().reply("added").ask("2").reply("two");
    EXPECT_THAT(texts(session), ElementsAre("Q:1", "Q:and tests", "A:added", "Q:2", "A:two"))
        << end;
  }
}

TEST_F(Claude, ATextOfTheQueueThatAnotherRowTellsIsNotToldTwice) {
  const auto told = [](const std::function<void(ClaudeSession&)>& rows) {
    ClaudeSession session;
    session.ask("again").reply("one");
    rows(session);
    return texts(session.reply("end"));
  };
  const auto once = ElementsAre("Q:again", "A:one", "Q:again", "A:end");
  EXPECT_THAT(
      told([](ClaudeSession& s) { s.queue("enqueue", "again").queue("dequeue").ask("again"); }),
      once);
  EXPECT_THAT(told([](ClaudeSession& s) { s.queue("enqueue", "again").ask("again"); }), once);
  EXPECT_THAT(told([](ClaudeSession& s) {
                s.queue("enqueue", "again").queue("remove", "again").ask("again");
              }),
              once);
  EXPECT_THAT(told([](ClaudeSession& s) { s.queue("remove", "again").ask("again"); }), once);
  EXPECT_THAT(told([](ClaudeSession& s) {
                s.queue("enqueue", "again").queue("remove", "again").queued("again");
              }),
              once);
  EXPECT_THAT(told([](ClaudeSession& s) {
                s.queue("enqueue", "again").queued("again").queue("remove", "again");
              }),
              once);
  EXPECT_THAT(told([](ClaudeSession& s) { s.queued("again").queue("remove", "again"); }), once);
  EXPECT_THAT(told([](ClaudeSession& s) {
                s.queue("enqueue", "<reworded>")
                    .queue("dequeue")
                    .add("user", {{"content", "again"}}, {{"promptSource", "queued"}});
              }),
              once);
  EXPECT_THAT(told([](ClaudeSession& s) {
                s.queue("enqueue", "/compact now")
                    .queue("dequeue")
                    .ask("<command-name>/compact</command-name>\n<command-args>now</command-args>");
              }),
              ElementsAre("Q:again", "A:one", "Q:/compact now", "A:end"));
}

/// What went into an answer is a text of its own, also if the same is typed after that answer.
TEST_F(Claude, ATextThatIsTypedOnceMoreAfterTheAnswerCountsOnceMore) {
  for (const bool with_text : {true, false}) {
    ClaudeSession session;
    session.ask("1").tool().queue("enqueue", "go on");
    session.queue("remove", with_text ? "go on" : "").tool().reply("one").ask("go on").reply("two");
    EXPECT_THAT(texts(session), ElementsAre("Q:1", "Q:go on", "A:one", "Q:go on", "A:two"));
  }
}

/// The last row of an answer may be written behind the row that takes the text out of the queue.
TEST_F(Claude, AnAnswerFromBeforeATextWasTakenOutIsNotAnAnswerToIt) {
  ClaudeSession session;
  session.ask("1").queue("enqueue", "next").queue("remove", "next", {{"timestamp", "2026-01-01"}});
  session.reply("one").ask("next").reply("two");  // of 2025, as all these records
  EXPECT_THAT(texts(session), ElementsAre("Q:1", "A:one", "Q:next", "A:two"));
}

TEST_F(Claude, EachOfSeveralQueuedTextsCountsOnce) {
  ClaudeSession session;
  session.ask("1").queue("enqueue", "a").queue("enqueue", "b").queue("enqueue", "a");
  session.queue("dequeue").queue("dequeue").ask("a\nb").queue("remove").reply("one");
  EXPECT_THAT(texts(session), ElementsAre("Q:1", "Q:a\nb", "Q:a", "A:one"));
}

TEST_F(Claude, WhatWasTakenBackIntoTheInputLineIsNotSent) {
  ClaudeSession session;
  session.ask("1")
      .queue("enqueue", "frist")
      .queue("popAll")
      .queue("enqueue", "first")
      .queue("remove", "first")
      .reply("one");
  EXPECT_THAT(texts(session), ElementsAre("Q:1", "Q:first", "A:one"));
}

TEST_F(Claude, WhatProgramsPutInTheQueueIsNoQuestion) {
  const std::string notice =
      "<task-notification>\n<status>completed</status>\n</task-notification>\nRead the output "
      "file.";
  ClaudeSession session;
  session.ask("1")
      .queue("enqueue", notice)
      .queue("remove", notice, {{"reason", "absorbed_mid_turn"}});
  session.queue("enqueue", notice).queue("enqueue", "typed").queue("remove").queue("remove");
  session.queue("enqueue", "ls").queue("dequeue").ask("<bash-input>ls</bash-input>");
  session.queue("enqueue", "wake up")
      .add("user", {{"content", "wake up"}}, {{"origin", {{"kind", "task-notification"}}}});
  session.queue("enqueue", "idle")
      .queued("idle", {{"isMeta", true}})
      .queue("remove", "idle")
      .reply("one");
  EXPECT_THAT(texts(session), ElementsAre("Q:1", "Q:typed", "A:one"));
}

TEST_F(Claude, RowsOfTheQueueThatAResumedSessionRepeatsCountOnce) {
  ClaudeSession session;
  const Json at = {{"timestamp", "2026-09-01T10:00:00Z"}};
  session.ask("1").queue("enqueue", "more", at).queue("remove", "more", at).reply("one");
  session.line(session.text()).ask("2");
  EXPECT_THAT(texts(session), ElementsAre("Q:1", "Q:more", "A:one", "Q:2"));
}

}  // namespace
