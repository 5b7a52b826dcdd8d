// Whatever the messages hold, their bytes are in the output, in their order, and every reader gives
// back what was stored.
#include "message_text.hpp"
#include "program.hpp"
#include "reading.hpp"
#include "stores.hpp"

#include <fmt/format.h>

#include <random>

namespace {

using namespace std::string_literals;

const std::vector<std::string> fragments = {"\"",          "\\",
                                            "\\n",         "\\\"",
                                            "\\u0041",     "```\n",
                                            "~~~~ x\n",    "---\n",
                                            "\n---\n\n",   "### 问题 1\n用户：",
                                            "助手：",      "  \n",
                                            "\n",          "\r\n",
                                            "\t",          " ",
                                            "你好",        "，",
                                            "😀",           "👩‍🔬",
                                            "\0"s,         "\x1b[31mred\x1b[0m",
                                            "<b>",         "- item\n",
                                            "| a | b |\n", "> ",
                                            "plain words", "x",
                                            "{\"a\":[1]}", "\xEF\xBF\xBD",
                                            "\xC2\xA0",    "\xEE\x88\x80",
                                            "&lt;",        "\x7F",
                                            "\v",          "\xE2\x80\xA8"};

std::string random_text(std::mt19937& random) {
  std::string text;
  const std::size_t count = 1 + random() % 12;
  for (std::size_t i = 0; i < count; ++i) text += fragments[random() % fragments.size()];
  return dialogue::is_blank(text) ? "blank" + text : text;
}

Turns random_turns(std::mt19937& random) {
  Turns turns;
  const std::size_t count = 1 + random() % 6;
  for (std::size_t i = 0; i < count; ++i)
    turns.push_back({i == 0 || random() % 2 == 0, random_text(random)});
  return turns;
}

/// The names of the files that hold these turns, one for each format.
std::vector<std::string> store_all(const Turns& turns, int round) {
  write_file("session.jsonl", claude_jsonl(turns));
  write_file("transcript.jsonl", cursor_transcript(turns));
  write_file("conversations.json", chatgpt_export(turns));
  write_file("array.json", messages_array(turns));
  write_file("lines.jsonl", messages_jsonl(turns));
  std::vector<std::string> files = {"session.jsonl", "transcript.jsonl", "conversations.json",
                                    "array.json", "lines.jsonl"};
  if (round % 10 == 0) {  // a database takes longer to make than all the others
    std::filesystem::remove("state.vscdb");
    CursorDatabase("state.vscdb").put_composer("c", turns);
    files.emplace_back("state.vscdb");
  }
  return files;
}

/// What a message may lose, said once more: the tool's own function must not be its judge.
std::string_view without_ends(std::string_view text) {
  while (!text.empty() && (text.front() == '\n' || text.front() == '\r')) text.remove_prefix(1);
  while (!text.empty() &&
         std::string_view(" \t\n\v\f\r").find(text.back()) != std::string_view::npos)
    text.remove_suffix(1);
  return text;
}

class Bytes : public InFolder {};

TEST_F(Bytes, OfEveryMessageAreInTheOutputInTheirOrder) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    const Turns turns = random_turns(random);
    for (const std::string& file : store_all(turns, round)) {
      const std::vector<dialogue::Message> messages = read_messages(file);
      ASSERT_EQ(messages.size(), turns.size()) << file << " in round " << round;
      for (const bool raw : {false, true}) {
        const std::string text = markdown_of(messages, {.raw = raw});
        std::size_t at = 0;
        for (std::size_t i = 0; i < turns.size(); ++i) {
          EXPECT_EQ(messages[i].text, turns[i].text) << file << " in round " << round;
          const std::string_view bytes = without_ends(turns[i].text);
          at = text.find(bytes, at);
          ASSERT_NE(at, text.npos) << file << " in round " << round << ": " << bytes;
          at += bytes.size();
        }
        EXPECT_TRUE(text.ends_with('\n') && !text.ends_with("\n\n\n"));
      }
    }
  }
}

TEST_F(Bytes, OfTheProgramAreThoseOfItsFunctions) {
  std::mt19937 random(11);
  for (int round = 0; round < 10; ++round) {
    const Turns turns = random_turns(random);
    for (const std::string& file : store_all(turns, round)) {
      const Result run = shell("$tool " + file + " -o - --time '2025-10-16 18:40:38'");
      EXPECT_EQ(run.status, 0) << run.err;
      EXPECT_EQ(run.out, markdown_of(read_messages(file)));
    }
  }
}

TEST_F(Bytes, OfTheGrammarAndNothingElseWithRaw) {
  const std::string text = markdown_of({{dialogue::Role::user, "\n- a\n- b \n"},
                                        {dialogue::Role::assistant, "```\nopen"},
                                        {dialogue::Role::assistant, "x"}},
                                       {.raw = true});
  EXPECT_EQ(text,
            "# Chat Dialogue Log\n\n## 对话时间\n2025-10-16 18:40:38\n\n---\n\n## 对话内容\n\n### "
            "问题 1\n用户：- a\n- b  "
            "\n助手：```\nopen\n\nx\n");
}

TEST_F(Bytes, AreTheSameInEveryLocaleAndForTheSameTime) {
  write_file("session.jsonl", claude_jsonl({ask("a"), reply("b")}));
  const std::string options = "$tool session.jsonl -o - --time=start";
  const std::string text = shell(options).out;
  EXPECT_NE(text.find("2025-10-16 18:00:01"), text.npos);
  EXPECT_EQ(shell("LC_ALL=de_DE.UTF-8 " + options).out, text);
  EXPECT_EQ(shell("LC_ALL=C " + options).out, text);
  EXPECT_NE(shell(options + " --utc").out.find("2025-10-16 10:00:01"), text.npos);
  EXPECT_NE(shell("$tool session.jsonl -o - --time=last").out.find("2025-10-16 18:00:03"),
            text.npos);
}

}  // namespace
