// printable(): foreign text on a terminal.
#include "files/printable.hpp"

#include <gtest/gtest.h>

#include <string>

namespace {

using muon::printable;
using muon::printable_lines;

TEST(Printable, PlainTextStaysAsItIs) {
  for (const std::string text : {"", "layers.0.weight", "a\\b 'c' \"d\"",
                                 "Gr\xc3\xb6\xc3\x9f"
                                 "e",
                                 "\xe9\x87\x8d\xe3\x81\xbf", "\xf0\x9f\x98\x80"}) {
    EXPECT_EQ(printable(text), text);
  }
}

TEST(Printable, ControlCharactersAreEscaped) {
  EXPECT_EQ(printable("a\x1b[2Jb"), "a\\u001b[2Jb");
  EXPECT_EQ(printable(std::string("a\0b", 3)), "a\\u0000b");
  EXPECT_EQ(printable("a\r\n\tb\x7f"), "a\\u000d\\u000a\\u0009b\\u007f");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            "\\u009b31m");  // C1's CSI, which some terminals obey
  EXPECT_EQ(printable("\xc2\x80\xc2\x9f\xc2\xa0"), "\\u0080\\u009f\xc2\xa0");
}

TEST(Printable, BidirectionalControlsAndSeparatorsAreEscaped) {
  EXPECT_EQ(printable("\xe2\x80\xaa\xe2\x80\xae"), "\\u202a\\u202e");
  EXPECT_EQ(printable("\xe2\x81\xa6\xe2\x81\xa9"), "\\u2066\\u2069");
  EXPECT_EQ(printable("\xd8\x9c\xe2\x80\x8e\xe2\x80\x8f"), "\\u061c\\u200e\\u200f");
  EXPECT_EQ(printable("\xe2\x80\xa8\xe2\x80\xa9"), "\\u2028\\u2029");
  // their neighbours
  EXPECT_EQ(printable("\xe2\x80\x93\xe2\x80\xaf\xe2\x81\xa5"),
            "\xe2\x80\x93\xe2\x80\xaf\xe2\x81\xa5");
}

TEST(Printable, BytesThatAreNoUtf8AreEscapedOneByOne) {
  EXPECT_EQ(printable("a\x9b"
                      "b"),
            // C1 as one byte, as Latin-1 has it
            "a\\x9bb");
  EXPECT_EQ(printable("\xc0\x9b"), "\\xc0\\x9b");                    // overlong
  EXPECT_EQ(printable("\xe0\x80\x9b"), "\\xe0\\x80\\x9b");           // overlong
  EXPECT_EQ(printable("\xf0\x80\x80\x9b"), "\\xf0\\x80\\x80\\x9b");  // overlong
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // a surrogate
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // beyond U+10FFFF
  EXPECT_EQ(printable("\xe2\x80"), "\\xe2\\x80");                    // cut off
  EXPECT_EQ(printable("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(printable("\xc3("), "\\xc3(");
}

TEST(Printable, ASecondCallChangesNothing) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  EXPECT_EQ(printable(printable(all)), printable(all));
}

TEST(Printable, CutsBetweenCharacters) {
  EXPECT_EQ(printable("abcdef", 6), "abcdef");
  EXPECT_EQ(printable("abcdef", 5), "abcde ...");
  EXPECT_EQ(printable("ab\xc3\xb6", 3), "ab ...");
  EXPECT_EQ(printable("ab\x1b", 7), "ab ...");  // no half escape either
  EXPECT_EQ(printable("abc", 0), " ...");
  EXPECT_EQ(printable("", 0), "");
}

TEST(Printable, LinesKeepTheirNewlines) {
  EXPECT_EQ(printable_lines("a\n  b\r\x1b"), "a\n  b\\u000d\\u001b");
}

}  // namespace
