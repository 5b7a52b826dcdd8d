// What the page looks like, by the judgement of cmark-gfm: as many headings as rounds, and every
// label a paragraph's beginning at the top level, whatever the messages leave open.
#include "markdown_layout.hpp"
#include "program.hpp"
#include "reading.hpp"

#include <fmt/format.h>

#include <random>

namespace {

using dialogue::layout_of;
using dialogue::Message;
using dialogue::Role;

struct Page {
  std::size_t rounds = 0, questions = 0, answers = 0;
  bool operator==(const Page&) const = default;
};

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t found = 0;
  for (std::size_t at = text.find(what); at != text.npos; at = text.find(what, at + what.size()))
    ++found;
  return found;
}

/// Counts headings and labels that are at the top level of the document: in cmark's XML these are
/// indented by four columns.
Page page_of(const std::string& markdown) {
  write_file("page.md", markdown);
  const Result run = shell("cmark-gfm -e table -t xml page.md");
  EXPECT_EQ(run.status, 0) << run.err;
  const std::string text = "\n    <text xml:space=\"preserve\">";
  return {count(run.out, "\n  <heading level=\"3\">" + text + "问题 "),
          count(run.out, "\n  <paragraph>" + text + "用户："), count(run.out, text + "助手：")};
}

Page expected(std::size_t rounds) { return {rounds, rounds, rounds}; }

class Markdown : public InFolder {
 protected:
  void SetUp() override {
    if (shell("cmark-gfm --version").status != 0)
      GTEST_SKIP() << "cmark-gfm is not installed (Debian: apt-get install cmark-gfm)";
  }
  /// Each text once as a question and once as an answer.
  static std::vector<Message> both_ways(const std::vector<std::string>& texts) {
    std::vector<Message> messages;
    for (const std::string& text : texts) {
      messages.push_back({Role::user, text});
      messages.push_back({Role::assistant, "plain"});
      messages.push_back({Role::user, "plain"});
      messages.push_back({Role::assistant, text});
    }
    return messages;
  }
};

const std::vector<std::string> awkward = {"```\ncode\n```",
                                          "# heading",
                                          "- item",
                                          "1. item\n2. item",
                                          "> quote",
                                          "| a | b |\n|---|---|\n| 1 | 2 |",
                                          "---",
                                          "<div>html</div>",
                                          "    code",
                                          "title\n===",
                                          "title\n---",
                                          "a | b\n--|--\n1 | 2",
                                          "```\nnever closed",
                                          "~~~~ cpp\nnever closed\n```",
                                          "text\n```\nnever closed",
                                          "   ```\nnever closed",
                                          "<!-- never closed",
                                          "<pre>\nnever closed",
                                          "<?php",
                                          "text\n- item",
                                          "text\n\n2. item",
                                          "text\n> quote",
                                          "text\n\n| a |\n|---|\n| 1 |",
                                          "text\n\n<div>\nhtml",
                                          "text\n<details>",
                                          "- item\n  ```\n  open in item",
                                          "> ```\n> open in quote",
                                          "- a\n\n      code",
                                          "1) a\n   - b\n     > c",
                                          "text\n\n[name]:",
                                          "-",
                                          "*\n\n  x",
                                          "-\n\n  ```\nopen",
                                          "a\n    - not a list",
                                          "a\n2. not a list",
                                          "***",
                                          "+ a\n\ttab",
                                          "-\t```\n\topen",
                                          ">\t```\n> open",
                                          "```a`b\nno fence",
                                          "``` a\r\nopen\r\n",
                                          "a\r```\ropen",
                                          "<script>\n</script> closed",
                                          "<!-- a --> b",
                                          "</div>",
                                          "<a href=\"x\">",
                                          "<b>\n",
                                          "text\n<b>",
                                          "`",
                                          "**",
                                          "\\",
                                          "a\\",
                                          "<",
                                          "[",
                                          "![",
                                          "&amp"};

TEST_F(Markdown, HasAsManyRoundsAsWereAsked) {
  const std::vector<Message> messages = both_ways(awkward);
  EXPECT_EQ(page_of(markdown_of(messages)), expected(messages.size() / 2));
  for (const std::string& text : awkward)
    EXPECT_EQ(page_of(markdown_of(both_ways({text}))), expected(2)) << text;
}

TEST_F(Markdown, IsBrokenWithoutTheAddedLines) {
  EXPECT_FALSE(page_of(markdown_of(both_ways(awkward), {.raw = true})) ==
               expected(2 * awkward.size()));
}

TEST_F(Markdown, HoldsForRandomBlocks) {
  const std::vector<std::string> pieces = {
      "```", "````",  "~~~",   "- ",   "* ",   "1. ",    "2) ",   "> ",  "    ", "  ",  "\t",
      "\n",  "\n",    "\n",    "\n\n", "text", "word",   "# ",    "---", "===",  "***", "|",
      "|-|", "| a |", "<div>", "<!--", "-->",  "</pre>", "<pre>", "<b>", "[x]:", " ",   "\r\n"};
  std::mt19937 random(3);
  for (int batch = 0; batch < 100; ++batch) {
    std::vector<std::string> texts;
    for (int i = 0; i < 200; ++i) {
      std::string text;
      const std::size_t length = 1 + random() % 14;
      for (std::size_t j = 0; j < length; ++j) text += pieces[random() % pieces.size()];
      if (text.find_first_not_of(" \t\r\n") != text.npos) texts.push_back(text);
    }
    if (page_of(markdown_of(both_ways(texts))) == expected(2 * texts.size())) continue;
    for (const std::string& text : texts)
      EXPECT_EQ(page_of(markdown_of(both_ways({text}))), expected(2))
          << testing::PrintToString(text);
  }
}

TEST(Layout, GluesPlainTextAndSeparatesBlocks) {
  for (const char* plain :
       {"text", "  text", "#no heading", "-no item", "1.no item", "`code` first", "*emphasis*",
        "**bold**", "<https://a.b>", "a\n# b", "a\n\nb\n---"}) {
    EXPECT_FALSE(layout_of(plain).starts_block) << plain;
  }
  for (const char* block :
       {"```\n", "~~~", "# a",          "#",        "- a",   "+ a",   "1. a", "7) a",
        "> a",   ">a",  "a | b\n--|--", "---",      "* * *", "<div>", "</p>", "<!-- a -->",
        "    a", "\ta", "a\n---",       "a\nb\n==="}) {
    EXPECT_TRUE(layout_of(block).starts_block) << block;
  }
}

TEST(Layout, KnowsWhatAbsorbsTheNextLine) {
  for (const char* safe : {"a", "- a\n\nb", "```\na\n```", "# a", "a | b", "> a\n\nb", "<div>\n\na",
                           "|a|\n|-|\n\nb", "---"}) {
    EXPECT_FALSE(layout_of(safe).absorbs_next) << safe;
  }
  for (const char* absorbing : {"- a", "- a\nlazy", "1. a\n\n   b", "> a", "|a|\n|-|",
                                "|a|\n|-|\n|b|", "<div>\na", "- ```\n  a\n  ```"}) {
    EXPECT_TRUE(layout_of(absorbing).absorbs_next) << absorbing;
  }
}

TEST(Layout, ClosesWhatIsOpenByTheSameMark) {
  EXPECT_EQ(layout_of("```").closer, "```");
  EXPECT_EQ(layout_of("a\n~~~~~ cpp\n```\n~~~").closer, "~~~~~");
  EXPECT_EQ(layout_of("````\n```\n````").closer, "");
  EXPECT_EQ(layout_of("- ```\n  a").closer, "");
  EXPECT_EQ(layout_of("- ```\n\na").closer, "");
  EXPECT_EQ(layout_of("<!-- a").closer, "-->");
  EXPECT_EQ(layout_of("`````x`\n").closer, "");
  EXPECT_EQ(layout_of("<pre>\na").closer, "</pre>");
  EXPECT_EQ(layout_of("<textarea>\na\n\nb").closer, "</textarea>");
  for (const char* end : {"</script>", "</PRE>", "</style>", "</textarea>"}) {
    EXPECT_EQ(layout_of(std::string("<pre>\na") + end).closer, "") << end;
  }
}

TEST(Layout, TakesOnlySpacesAndTabsForABlankLine) {
  EXPECT_FALSE(layout_of("<div>\n \t").absorbs_next);
  EXPECT_TRUE(layout_of("<div>\n\f").absorbs_next);
  EXPECT_TRUE(layout_of("<div>\n\v").absorbs_next);
}

TEST(Layout, TakesLittleTimeForManyMarks) {
  std::string marks;
  for (int i = 0; i < 300'000; ++i) marks += "- ";
  EXPECT_TRUE(layout_of(marks + "x").starts_block);
  EXPECT_TRUE(layout_of(std::string(300'000, '>') + "x").starts_block);
}

}  // namespace
