// What is written is read back, laid out as the format says, and nothing else is accepted.
#include "state/training.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <cstring>
#include <random>
#include <thread>

namespace {

using namespace training;
using testing::AllOf;
using testing::HasSubstr;

/// A file of this header and so many zeros.
std::string file_of(const std::string& header, std::size_t data, std::uint64_t claimed_length = 0) {
  std::string bytes;
  const std::uint64_t length = claimed_length != 0 ? claimed_length : header.size();
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(length >> (8 * i) & 0xff);
  return bytes + header + std::string(data, '\0');
}

std::string refusal(const std::string& bytes) {
  Folder folder;
  write(folder / "bad.safetensors", bytes);
  const std::string error = error_of([&] { muon::Safetensors file(folder / "bad.safetensors"); });
  if (!error.empty()) {
    EXPECT_THAT(error, HasSubstr("bad.safetensors"));
  }
  return error;
}

TEST(Safetensors, LayoutIsTheFormats) {
  Folder folder;
  muon::write_safetensors(folder / "a.safetensors", {{"w", torch::tensor({1.0F, 2.0F})}});
  const std::string header = R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  std::string expected = file_of(header + "  ", 0, 56);  // spaces up to a multiple of 8
  const float values[] = {1, 2};
  expected.append(reinterpret_cast<const char*>(values), 8);
  EXPECT_EQ(contents(folder / "a.safetensors"), expected);
}

TEST(Safetensors, EveryDtypeComesBack) {
  Folder folder;
  std::vector<std::pair<std::string, torch::Tensor>> tensors;
  for (const auto type :
       {torch::kBool, torch::kUInt8, torch::kInt8, torch::kInt16, torch::kInt32, torch::kInt64,
        torch::kHalf, torch::kBFloat16, torch::kFloat32, torch::kFloat64, torch::kComplexFloat}) {
    tensors.emplace_back(std::string("t.") + c10::toString(type),
                         torch::randn({3, 5}).mul(10).to(type));
  }
  tensors.emplace_back("scalar", torch::tensor(7.0));
  tensors.emplace_back("empty", torch::empty({0, 4}));
  tensors.emplace_back("transposed", torch::randn({4, 3}).t());
  tensors.emplace_back("expanded", torch::ones({1}).expand({6}));
  tensors.emplace_back("odd", torch::ones({3}, torch::kUInt8));
  tensors.emplace_back("behind odd", torch::randn({2, 2}));
  tensors.emplace_back("learned", torch::randn({2}).requires_grad_());
  tensors.emplace_back("名前 \"quoted\"\n", torch::ones({1}));
  muon::write_safetensors(folder / "all.safetensors", tensors, {{"key", "值"}});
  std::vector<torch::Tensor> kept;
  {
    const muon::Safetensors file(folder / "all.safetensors");
    EXPECT_EQ(file.metadata(), (std::map<std::string, std::string>{{"key", "值"}}));
    EXPECT_EQ(file.tensors().size(), tensors.size());
    for (const auto& [name, tensor] : tensors) {
      EXPECT_EQ(file.info(name).shape, tensor.sizes().vec());
      kept.push_back(file.tensor(name));
    }
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {  // tensors outlive the file's object
    EXPECT_EQ(kept[i].scalar_type(), tensors[i].second.scalar_type());
    EXPECT_TRUE(torch::equal(kept[i], tensors[i].second)) << tensors[i].first;
  }
}

TEST(Safetensors, WritingToATensorLeavesTheFile) {
  Folder folder;
  muon::write_safetensors(folder / "a.safetensors", {{"w", torch::zeros({4})}});
  const std::string before = contents(folder / "a.safetensors");
  muon::Safetensors(folder / "a.safetensors").tensor("w").fill_(5);
  EXPECT_EQ(contents(folder / "a.safetensors"), before);
}

TEST(Safetensors, RefusesWhatItCannotStore) {
  Folder folder;
  const auto error = [&](const std::vector<std::pair<std::string, torch::Tensor>>& tensors) {
    return error_of([&] { muon::write_safetensors(folder / "a.safetensors", tensors); });
  };
  EXPECT_THAT(error({{"a", torch::ones({1})}, {"a", torch::ones({1})}}),
              HasSubstr("'a' is given twice"));
  EXPECT_THAT(error({{"__metadata__", torch::ones({1})}}), HasSubstr("not a name"));
  EXPECT_THAT(error({{"a", torch::Tensor()}}), HasSubstr("undefined"));
  EXPECT_THAT(error({{"a", torch::eye(2).to_sparse()}}), HasSubstr("sparse"));
  EXPECT_THAT(error({{"a", torch::ones({1}, torch::kComplexDouble)}}), HasSubstr("ComplexDouble"));
  EXPECT_THAT(error({{"\xff\xfe", torch::ones({1})}}), HasSubstr("UTF-8"));
  EXPECT_FALSE(fs::exists(folder / "a.safetensors"));
  EXPECT_THAT(error_of([&] { muon::write_safetensors(folder / "no/such/a.safetensors", {}); }),
              HasSubstr("no/such/a.safetensors cannot"));
  EXPECT_THAT(error_of([&] { muon::Safetensors file(folder.path); }), HasSubstr("Is a directory"));
  EXPECT_THAT(error_of([&] { muon::Safetensors file(folder / "none"); }),
              HasSubstr("No such file"));
}

/// A device or a pipe is not replaced by a file. (A pipe of the test's own: what is wrong here
/// would take /dev/null away.)
TEST(Safetensors, APipeIsWrittenToAndStaysOne) {
  Folder folder;
  const std::vector<std::pair<std::string, torch::Tensor>> tensors{{"a", torch::randn({300, 100})},
                                                                   {"b", torch::ones({3})}};
  muon::write_safetensors(folder / "file", tensors);
  const fs::path pipe = folder / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  std::string got;
  std::thread reader([&] { got = contents(pipe); });
  muon::write_safetensors(pipe, tensors);
  reader.join();
  EXPECT_TRUE(got == contents(folder / "file"));
  EXPECT_TRUE(fs::is_fifo(pipe));
  // a checkpoint's checksum is put in last
  fs::create_symlink("pipe", folder / "a.safetensors");
  EXPECT_THAT(error_of([&] { muon::save_checkpoint(folder / "a.safetensors", {}); }),
              HasSubstr("give a file"));
  EXPECT_TRUE(fs::is_fifo(pipe));
}

TEST(Safetensors, RefusesEveryBadHeader) {
  const std::string a = R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  EXPECT_EQ(refusal(file_of("{" + a + "}", 8)), "");
  EXPECT_EQ(refusal(file_of("{}", 0)), "");
  EXPECT_THAT(refusal(""), HasSubstr("too few"));
  EXPECT_THAT(refusal("1234567"), HasSubstr("too few"));
  EXPECT_THAT(refusal(file_of("{}", 0, std::uint64_t{1} << 63)), HasSubstr("9223372036854775808"));
  EXPECT_THAT(refusal(file_of("{}", 0, ~std::uint64_t{0})),
              HasSubstr("at most 100000000 are allowed"));
  EXPECT_THAT(refusal(file_of("{}", 0, 3)), HasSubstr("should have 3 bytes, but only 2 follow"));
  EXPECT_THAT(refusal(file_of("[]", 0)), HasSubstr("not a JSON object"));
  EXPECT_THAT(refusal(file_of("{\"a\":", 0)), HasSubstr("not JSON"));
  EXPECT_THAT(refusal(file_of(std::string(5000, '[') + std::string(5000, ']'), 0)),
              HasSubstr("JSON"));
  std::string nested = "0";
  for (int depth = 0; depth < 500; ++depth) nested = R"({"a":)" + nested + "}";
  EXPECT_THAT(refusal(file_of(nested, 0)), HasSubstr("nested too deeply"));
  EXPECT_THAT(refusal(file_of("{" + a + "," + a + "}", 8)), HasSubstr("'a' occurs twice"));
  EXPECT_THAT(refusal(file_of("{" + a + "}", 9)),
              HasSubstr("take 8 bytes, but 9 follow the header"));
  EXPECT_THAT(refusal(file_of("{" + a + "}", 4)),
              HasSubstr("take 8 bytes, but 4 follow the header"));
  const auto entry = [](const std::string& dtype, const std::string& shape,
                        const std::string& offsets) {
    return file_of(R"({"a":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" +
                       offsets + "}}",
                   8);
  };
  EXPECT_THAT(refusal(entry("F33", "[2]", "[0,8]")), HasSubstr("unknown dtype 'F33'"));
  EXPECT_THAT(refusal(entry("F32", "[3]", "[0,8]")), HasSubstr("takes 12 bytes"));
  EXPECT_THAT(refusal(entry("F32", "[-2]", "[0,8]")), HasSubstr("whole numbers"));
  EXPECT_THAT(refusal(entry("F32", "[2.0]", "[0,8]")), HasSubstr("whole numbers"));
  EXPECT_THAT(refusal(entry("F32", "[18446744073709551615]", "[0,8]")), HasSubstr("too large"));
  EXPECT_THAT(refusal(entry("F32", "[4294967296,4294967296,4]", "[0,8]")), HasSubstr("overflows"));
  EXPECT_THAT(refusal(entry("F4", "[3]", "[0,8]")), HasSubstr("whole number of bytes"));
  EXPECT_THAT(refusal(entry("F32", "[2]", "[8,0]")), HasSubstr("offsets 8 to 0"));
  EXPECT_THAT(refusal(entry("F32", "[1]", "[4,8]")), HasSubstr("a gap or an overlap"));
  EXPECT_THAT(refusal(entry("F32", "[2]", "[0]")), HasSubstr("data_offsets"));
  EXPECT_THAT(refusal(entry("F32", "2", "[0,8]")), HasSubstr("shape"));
  const std::string overlap =
      R"({"a":{"dtype":"U8","shape":[6],"data_offsets":[0,6]},"b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})";
  EXPECT_THAT(refusal(file_of(overlap, 8)), HasSubstr("a gap or an overlap"));
  EXPECT_THAT(refusal(file_of(R"({"__metadata__":{"a":1}})", 0)), HasSubstr("not a string"));
}

TEST(Safetensors, DtypeThisLibTorchLacksIsListedAndNotLoaded) {
  Folder folder;
  write(folder / "a.safetensors",
        file_of(R"({"a":{"dtype":"F4","shape":[16],"data_offsets":[0,8]}})", 8));
  const muon::Safetensors file(folder / "a.safetensors");
  EXPECT_EQ(file.info("a").dtype, "F4");
  EXPECT_THAT(error_of([&] { (void)file.tensor("a"); }), HasSubstr("'a' is of dtype F4"));
  EXPECT_THAT(error_of([&] { (void)file.tensor("b"); }), HasSubstr("has no tensor 'b'"));
}

}  // namespace
