// The bytes of both framings: published examples, every way a block can end, and damage.
#include "track/formats/event.hpp"
#include "track/formats/tfrecord.hpp"
#include "track/formats/utf8.hpp"
#include "track/formats/value_json.hpp"
#include "track/formats/wandb_log.hpp"
#include "track/formats/wandb_record.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>
#include <random>
#include <stdexcept>

namespace {

using namespace muon::track;

std::string bytes_of(std::string_view hex) {
  std::string bytes, digits;
  for (const char c : hex) {
    if (c == ' ') continue;
    digits += c;
    if (digits.size() == 2) {
      bytes += static_cast<char>(std::stoi(digits, nullptr, 16));
      digits.clear();
    }
  }
  return bytes;
}

template <class Reader>
std::vector<std::string> all_records(const std::string& file,
                                     std::size_t piece = std::string::npos) {
  Reader reader;
  std::vector<std::string> records;
  for (std::size_t at = 0; at < file.size(); at += std::min(piece, file.size() - at)) {
    reader.feed(std::string_view(file).substr(at, piece));
    while (auto record = reader.next()) records.push_back(*record);
  }
  return records;
}

std::string wandb_file(const std::vector<std::string>& records) {
  std::string file(wandb_log::file_header);
  for (const std::string& record : records) file += wandb_log::frame(record, file.size());
  return file;
}

// a log of one record, `num: 1 header { version_info { producer: "x" } }`, as W&B's own writer
// makes it
const std::string golden_wandb = bytes_of("3a572642e1be00 0ea1c571 0a00 01 0801aa01050a030a0178");

TEST(WandbLog, IsWhatWandbWrites) {
  EXPECT_EQ(wandb_file({wandb_record::header(1, "x")}), golden_wandb);
  // an empty message is there nevertheless
  EXPECT_EQ(wandb_record::final(7), bytes_of("0807 a20100"));
  EXPECT_EQ(wandb_record::exit(2, 0, 1.5), bytes_of("0802 920104 0800 1001"));
}

TEST(WandbLog, EveryEndOfABlock) {
  // after the first record `left` bytes of the block remain: 0 to 6 are filled with zeros, 7 hold
  // an empty first chunk
  for (std::size_t left = 0; left <= 20; ++left) {
    const std::string first(32768 - 7 - 7 - left, 'a');
    for (const std::size_t size : {0u, 1u, 12u, 13u, 14u, 32761u, 32762u, 70000u, 200000u}) {
      const std::vector<std::string> records{first, std::string(size, 'b'), "c"};
      const std::string file = wandb_file(records);
      ASSERT_EQ(all_records<wandb_log::Reader>(file), records) << left << " left, then " << size;
      ASSERT_EQ(all_records<wandb_log::Reader>(file, 1000), records);
      if (left >= 1 && left <= 6) {
        ASSERT_EQ(file.substr(32768 - left, left), std::string(left, '\0'));
      }
      if (left == 7 && size > 0) {
        ASSERT_EQ(file[32768 - 1], 2);  // FIRST
        ASSERT_EQ(file.substr(32768 - 3, 2), std::string(2, '\0'));
      }
    }
  }
}

TEST(WandbLog, ATornTailIsNotThereYet) {
  const std::vector<std::string> records{"one", std::string(50000, '2'), "three"};
  const std::string file = wandb_file(records);
  std::size_t most = 0;
  for (std::size_t size = 0; size < file.size();
       size += size < 100 || size > file.size() - 100 ? 1 : 97) {
    const auto found = all_records<wandb_log::Reader>(file.substr(0, size));
    ASSERT_GE(found.size(), most);
    most = found.size();
    ASSERT_TRUE(std::equal(found.begin(), found.end(), records.begin()));
  }
  EXPECT_EQ(most, 2u);
  EXPECT_EQ(all_records<wandb_log::Reader>(wandb_file({"one"}) + std::string(100000, '\0')),
            std::vector<std::string>{"one"});
}

TEST(WandbLog, AChangedBitIsAnError) {
  const std::string file = wandb_file({"one", std::string(40000, '2'), "three"});
  std::mt19937 random(1);
  for (int i = 0; i < 500; ++i) {
    std::string damaged = file;
    damaged[random() % file.size()] ^= static_cast<char>(1 << (random() % 8));
    // a longer length is a record that is not there yet; all else is noticed
    try {
      EXPECT_LT(all_records<wandb_log::Reader>(damaged).size(), 3u);
    } catch (const std::runtime_error&) {
    }
  }
}

TEST(TfRecord, IsWhatTensorBoardWrites) {
  // the check value of RFC 3720's polynomial
  EXPECT_EQ(tfrecord::crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(
      tfrecord::frame(event::version(1)),
      bytes_of(
          "1800000000000000 a37f4b22 09000000000000f03f1a0d627261696e2e4576656e743a32 86bf577a"));
}

TEST(TfRecord, ReadsWhatItWritesInAnyPieces) {
  std::mt19937 random(2);
  for (int round = 0; round < 50; ++round) {
    std::vector<std::string> records;
    std::string file;
    for (int i = 0; i < 5; ++i) {
      records.emplace_back(random() % (i == 3 ? 300000 : 40), static_cast<char>(random()));
      file += tfrecord::frame(records.back());
    }
    EXPECT_EQ(all_records<tfrecord::Reader>(file, 1 + random() % 100000), records);
    std::string damaged = file;
    damaged[random() % file.size()] ^= 4;
    EXPECT_THROW(all_records<tfrecord::Reader>(damaged), std::runtime_error);
  }
}

TEST(Text, BadBytesBecomeReplacementCharacters) {
  const std::string fffd = "\xef\xbf\xbd";
  EXPECT_EQ(valid_utf8("Grüße 学习 😀"), "Grüße 学习 😀");
  EXPECT_EQ(valid_utf8("a\xff"), "a" + fffd);
  EXPECT_EQ(valid_utf8("\xc0\xaf"), fffd + fffd);                        // overlong
  EXPECT_EQ(valid_utf8("\xed\xa0\x80"), fffd + fffd + fffd);             // a surrogate
  EXPECT_EQ(valid_utf8("\xf4\x90\x80\x80"), fffd + fffd + fffd + fffd);  // beyond Unicode
  EXPECT_EQ(valid_utf8("\xe5\xad"), fffd + fffd);                        // cut
}

TEST(Text, NumbersAreShortAndReadBackTheSame) {
  for (const double value : {0.1, 1.0 / 3, 1e300, -5e-324, 123456789.0})
    EXPECT_EQ(std::strtod(json_text(value, NonFinite::bare).c_str(), nullptr), value);
  EXPECT_EQ(json_text(0.1, NonFinite::bare), "0.1");
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(json_text(Value(List{-infinity, std::nan("")}), NonFinite::bare), "[-Infinity,NaN]");
  EXPECT_EQ(json_text(Value(Object{{"a", infinity}}), NonFinite::quoted), R"({"a":"Infinity"})");
  EXPECT_EQ(json_text(Value("\"\n\\"), NonFinite::bare), R"("\"\n\\")");
}

}  // namespace
