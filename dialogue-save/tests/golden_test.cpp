// One conversation, every format: the same Markdown to the last byte. And what goes wrong when
// someone copies it by hand cannot happen: escapes that leak, answers under the wrong question,
// lost or added white space, rules after the last round, rounds counted wrongly because a message
// looks like the page around it.
#include "program.hpp"
#include "stores.hpp"

#include <gmock/gmock.h>

namespace {

using testing::HasSubstr;
using testing::Not;

const std::string fixed_time = " --time '2025-10-16 18:40:38' ";

const std::string first_question =
    "How do I write the table of results? It must look like this:\n\n---\n\n### "
    "**Format**\n\n```markdown\n### 问题 "
    "1\n用户：[question]\n"
    "助手：[answer]\n\n---\n```\n\n1. \"quotes\" stay \"quotes\"  \n2. `C:\\new\\table` keeps its "
    "backslashes: \\\\ \\\" \\n";
const std::string first_step = "Let me look at the code first.";
const std::string first_answer =
    "Here is what it does:\n\n```cpp\nfmt::print(\"{}: \\\"{}\\\"\\n\", name, value);  // "
    "\"\\\\n\" is two "
    "characters\n```\n\n---\n\n"
    "用户：is only a word here, 😀 and 你好 are text.\n\n";

Turns conversation() {
  return {ask(first_question),
          reply(first_step),
          reply(first_answer),
          ask("And then?"),
          reply("```sh\nprintf '%s\\n' \"$x\"\n```"),
          ask("/dialogue_save")};
}

std::string golden() { return contents(std::string(DIALOGUE_SAVE_TESTS) + "/golden.md"); }

class Golden : public InFolder {
 protected:
  std::string saved(const std::string& file) {
    const Result run = shell("$tool " + file + fixed_time + "-o -");
    EXPECT_EQ(run.status, 0) << run.err;
    return run.out;
  }
};

TEST_F(Golden, EveryFormatGivesTheSameBytes) {
  write_file("session.jsonl", claude_jsonl(conversation()));
  CursorDatabase("state.vscdb").put_composer("c-1", conversation());
  write_file("transcript.jsonl", cursor_transcript(conversation()));
  write_file("conversations.json", chatgpt_export(conversation()));
  write_file("array.json", messages_array(conversation()));
  write_file("lines.jsonl", messages_jsonl(conversation()));
  for (const char* file : {"session.jsonl", "state.vscdb", "transcript.jsonl", "conversations.json",
                           "array.json", "lines.jsonl"}) {
    EXPECT_EQ(saved(file), golden()) << file;
  }
}

TEST_F(Golden, IsWrittenToAFileNamedByTheTimeInItsHeader) {
  write_file("session.jsonl", claude_jsonl(conversation()));
  const Result run = shell("$tool session.jsonl" + fixed_time);
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_EQ(run.out, "cc_dialogue/cc_20251016_184038.md\n");
  EXPECT_EQ(contents("cc_dialogue/cc_20251016_184038.md"), golden());
}

class Defect : public Golden {
 protected:
  Defect() {
    write_file("session.jsonl", claude_jsonl(conversation()));
    text_ = saved("session.jsonl");
  }
  std::string text_;
};

TEST_F(Defect, EscapesOfTheStoreDoNotLeak) {
  EXPECT_THAT(text_, HasSubstr("\n1. \"quotes\" stay \"quotes\""));
  EXPECT_THAT(text_, HasSubstr("fmt::print(\"{}: \\\"{}\\\"\\n\", name, value);"));
}

TEST_F(Defect, AnAnswerAfterAToolStaysWithItsQuestion) {
  EXPECT_THAT(text_, HasSubstr("助手：" + first_step + "\n\nHere is what it does:"));
  EXPECT_LT(text_.find("Here is what it does:"), text_.find("### 问题 2"));
}

TEST_F(Defect, TheHardBreakStandsOnceAfterTheQuestion) {
  EXPECT_THAT(text_, HasSubstr("It must look like this:\n"));
  // the question ends in a list, so an empty line follows
  EXPECT_THAT(text_, HasSubstr(first_question + "  \n\n助手："));
  EXPECT_THAT(text_, HasSubstr("用户：And then?  \n助手："));
}

TEST_F(Defect, RulesStandBetweenRoundsOnlyAndOneNewlineEndsTheFile) {
  EXPECT_THAT(text_, testing::EndsWith("\n---\n\n### 问题 3\n用户：/dialogue_save  \n助手：\n"));
  EXPECT_THAT(shell("$tool session.jsonl --final-rule -o -").out,
              testing::EndsWith("用户：/dialogue_save  \n助手：\n\n---\n"));
}

TEST_F(Defect, AQuestionThatLooksLikeThePageIsNoRound) {
  // read back by the rule: N = previous + 1, a rule and an empty line before it, 用户： after it
  int rounds = 0;
  for (int next = 1;; ++next) {
    const std::string header = "---\n\n" + std::string(next == 1 ? "## 对话内容\n\n" : "") +
                               "### 问题 " + std::to_string(next) + "\n用户：";
    if (text_.find(header) == text_.npos) break;
    ++rounds;
  }
  EXPECT_EQ(rounds, 3);
}

}  // namespace
