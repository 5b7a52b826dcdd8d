// Pickles made to exhaust: refused in time and memory in proportion to their bytes.
#include "state/formats/pickle.hpp"

#include "state/pickling.hpp"

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <limits>
#include <stdexcept>
#include <string>

namespace {

using pickling::text;
using testing::HasSubstr;

std::string parse_error(const std::string& pickle) {
  try {
    (void)muon::pickle::parse(pickle);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "";
}

std::string repeat(const std::string& piece, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += piece;
  return all;
}

const std::string begin = "\x80\x02";

TEST(Pickle, PlainValues) {
  const std::string pickle = begin + "}(" + text("a") + "K\x05" + text("b") +
                             "](K\x01K\x02"
                             "eu.";
  const auto document = muon::pickle::parse(pickle);
  EXPECT_EQ(document.find(document.root, "a")->integer, 5);
  EXPECT_EQ(document.items(*document.find(document.root, "b")).size(), 2u);
}

TEST(Pickle, AValueThatContainsItself) {
  EXPECT_THAT(parse_error(begin + "]q\x01h\x01"
                                  "a."),
              HasSubstr("contains itself"));
}

TEST(Pickle, DeepNesting) {
  EXPECT_THAT(parse_error(begin + repeat("]", 100000) + repeat("a", 99999) + "."),
              HasSubstr("nested too deeply"));
  // each list holds a chain that ends in the list before: no single path is deep, all together are
  std::string pickle = begin + text(std::string(100000, 'x')) + "q\x07](";
  for (int k = 0; k < 100; ++k) {
    pickle += repeat("]", 50) + (k == 0 ? std::string("]") : std::string("h\x01")) +
              repeat("a", 50) + "q\x01";
  }
  pickle += "e.";
  EXPECT_THAT(parse_error(pickle), HasSubstr("nested too deeply"));
}

TEST(Pickle, ManyOfOne) {
  // ten times ten times ten ...
  std::string pickle = begin +
                       "](K\x01K\x01K\x01K\x01"
                       "e";
  for (int level = 0; level < 30; ++level)
    pickle += std::string("q\x01](") + repeat("h\x01", 10) + "e";
  EXPECT_THAT(parse_error(pickle + "."), HasSubstr("too often"));
}

TEST(Pickle, ShapesBeyondSixtyFourBits) {
  const std::int64_t large = std::int64_t{1} << 40, most = std::numeric_limits<std::int64_t>::max();
  const auto tensor = [](const std::vector<std::int64_t>& shape) {
    return pickling::document(
        pickling::tensor("0", shape, std::vector<std::int64_t>(shape.size(), 0)));
  };
  for (const auto& shape : std::vector<std::vector<std::int64_t>>{{large, large},
                                                                  {0, large, large},
                                                                  {large, large, 0},
                                                                  {most},
                                                                  {most, 1},
                                                                  {2, most / 16}}) {
    EXPECT_THAT(parse_error(tensor(shape)), HasSubstr("more values than 64 bits can count"));
  }
  EXPECT_EQ(parse_error(tensor({most / 16})), "");
  EXPECT_EQ(parse_error(tensor({0, 0, 0})), "");
}

TEST(Pickle, GlobalsThatAreNotOnTheList) {
  EXPECT_THAT(parse_error(begin + "cos\nsystem\n."), HasSubstr("os.system"));
  EXPECT_THAT(parse_error(begin + "ctorch\n" + std::string(1000000, 'x') + "Storage\n."),
              HasSubstr("not among"));
  EXPECT_THAT(parse_error(begin + text("builtins") + text("eval") + "\x93."),
              HasSubstr("builtins.eval"));
}

TEST(Pickle, OpcodesThatAreNotOnTheList) {
  EXPECT_THAT(parse_error(begin + "ios\nsystem\n."), HasSubstr("opcode 0x69"));
  EXPECT_THAT(parse_error(begin), HasSubstr("cut off"));
  EXPECT_THAT(parse_error(begin + "a."), HasSubstr("not there"));
  EXPECT_THAT(parse_error(begin + "X\xff\xff\xff\xff."), HasSubstr("cut off"));
}

}  // namespace
