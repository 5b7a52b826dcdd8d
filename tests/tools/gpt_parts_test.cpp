// The parts of muon train --model gpt: its text, and its attention.
#include "tools/beer.hpp"
#include "tools/program.hpp"
#include "train/data/text_data.hpp"
#include "train/models/attention.hpp"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <cmath>
#include <vector>

namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

// ---- text ----

class TextFiles : public InFolder {
 protected:
  static void expect_refused(const std::string& name, const std::vector<std::string>& says) {
    try {
      (void)cli::load_text(name, 0);
      FAIL() << name;
    } catch (const std::runtime_error& error) {
      for (const std::string& text : says) EXPECT_THAT(error.what(), HasSubstr(text)) << name;
    }
  }

  static std::string bytes(const cli::Text& text, std::int64_t first, std::int64_t count) {
    std::string copy(static_cast<std::size_t>(count), '\0');
    text.copy(first, count, reinterpret_cast<unsigned char*>(copy.data()));
    return copy;
  }
};

TEST_F(TextFiles, AreTheSameGzippedAndInPieces) {
  const std::string whole = beer();
  std::ofstream("plain") << whole;
  fs::create_directories("pieces/below");
  std::ofstream("pieces/b") << whole.substr(100, 3000);
  std::ofstream("pieces/a") << whole.substr(0, 100);
  std::ofstream("pieces/c");
  std::ofstream("pieces/d") << whole.substr(3100);
  std::ofstream("pieces/.hidden") << "left out";
  std::ofstream("pieces/below/e") << "left out";
  ASSERT_EQ(shell("gzip -c plain >zipped; gzip pieces/b").status, 0);
  const auto size = static_cast<std::int64_t>(whole.size());
  for (const char* name : {"plain", "zipped", "pieces"}) {
    const cli::Text text = cli::load_text(name, 0);
    ASSERT_EQ(text.size(), size) << name;
    EXPECT_EQ(bytes(text, 0, size), whole) << name;
    for (const std::int64_t first : {99, 100, 3000, 3099, 3100})
      EXPECT_EQ(bytes(text, first, 200), whole.substr(static_cast<std::size_t>(first), 200));
  }
}

TEST_F(TextFiles, BadOnesAreRefusedByName) {
  std::ofstream("empty");
  fs::create_directories("folder/below");
  fs::create_directory("empty_files");
  std::ofstream("empty_files/a");
  std::ofstream("plain") << beer();
  ASSERT_EQ(shell("gzip -c plain | head -c 60 >torn.gz; mkfifo pipe").status, 0);
  expect_refused("nowhere", {"--data nowhere does not exist", "moby_dick"});
  expect_refused("empty", {"--data empty is empty"});
  expect_refused("folder", {"--data folder holds no files"});
  expect_refused("empty_files", {"--data empty_files is empty"});
  expect_refused("mnist", {"--data mnist holds images", "moby_dick"});
  expect_refused("torn.gz", {"torn.gz", "truncated"});
  expect_refused("pipe", {"pipe cannot be read"});
}

TEST_F(TextFiles, ATenthMustHoldAWindow) {
  const std::string whole = beer();
  std::ofstream("short") << whole.substr(0, 169);
  try {
    cli::TextData(cli::load_text("short", 0), "short", {.context = 16}, torch::kCPU);
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("--data short has 169 bytes"),
                                    HasSubstr("--context 16"), HasSubstr("at least 170 bytes")));
  }
  std::ofstream("short") << whole.substr(0, 170);
  cli::TextData data(cli::load_text("short", 0), "short", {.context = 16}, torch::kCPU);
  ASSERT_EQ(data.held_out_batches(), 1);
  const auto held_out = data.held_out_batch(0);
  EXPECT_EQ(held_out.inputs.sizes(), (torch::IntArrayRef{1, 16}));
  EXPECT_EQ(held_out.inputs[0][0].item<int>(), whole[153]);
  EXPECT_EQ(held_out.targets[0][15].item<int>(), whole[169]);
}

/// Bytes 0, 1, 2, .. over and over, so that a byte tells its place.
TEST(TextData, BatchesDependOnSeedAndStepAloneAndNeverMeetWhatIsHeldOut) {
  const auto bytes = std::make_shared<std::string>();
  for (int i = 0; i < 250; ++i) *bytes += static_cast<char>(i);
  const auto data = [&](std::int64_t seed, std::int64_t eval_every) {
    cli::Text text;
    text.append(bytes, *bytes);
    return cli::TextData(std::move(text), "", {20, 64, seed, eval_every}, torch::kCPU);
  };
  cli::TextData a = data(1, 4), b = data(1, 6), other = data(2, 4);
  ASSERT_EQ(a.batch_size(), 225 / 20);  // no more than there is
  for (std::int64_t step = 0; step < 100; ++step) {
    const auto [inputs, targets] = a.training_batch(1 + step / 4, step % 4);
    EXPECT_TRUE(inputs.equal(b.training_batch(1 + step / 6, step % 6).inputs));
    EXPECT_FALSE(inputs.equal(other.training_batch(1 + step / 4, step % 4).inputs));
    EXPECT_TRUE(targets.equal(inputs + 1));
    EXPECT_LT(targets.max().item<int>(), 225);
  }
  const auto held_out = a.held_out_batch(0);
  EXPECT_EQ(held_out.inputs.min().item<int>(), 225);
  EXPECT_EQ(held_out.inputs.size(0), 1);
}

// ---- attention ----

/// softmax over what each position may see, value by value.
torch::Tensor attention_by_definition(const torch::Tensor& q, const torch::Tensor& k,
                                      const torch::Tensor& v) {
  const torch::Tensor result = torch::zeros_like(v);
  for (std::int64_t t = 0; t < q.size(2); ++t) {
    const torch::Tensor scores =
        torch::einsum("nhd,nhsd->nhs", {q.select(2, t), k.slice(2, 0, t + 1)}) /
        std::sqrt(static_cast<double>(q.size(3)));
    result.select(2, t).copy_(
        torch::einsum("nhs,nhsd->nhd", {scores.softmax(-1), v.slice(2, 0, t + 1)}));
  }
  return result;
}

using Attention = torch::Tensor (*)(const torch::Tensor&, const torch::Tensor&,
                                    const torch::Tensor&);

/// What attention gives for q, k, v as the model has them, parts of one tensor, and the gradient of
/// that tensor.
std::vector<torch::Tensor> forward_and_backward(Attention attention, torch::ScalarType dtype) {
  auto generator = at::detail::createCPUGenerator(3);
  const torch::Tensor qkv =
      torch::randn({3, 2, 5, 4, 6}, generator, torch::kFloat64).to(dtype).requires_grad_();
  const torch::Tensor heads_first = qkv.transpose(2, 3);  // [3, n, heads, time, width]
  const torch::Tensor result = attention(heads_first[0], heads_first[1], heads_first[2]);
  const torch::Tensor weights = torch::arange(result.numel(), dtype).sin().view(result.sizes());
  (result * weights).sum().backward();
  return {result.detach(), qkv.grad()};
}

TEST(CausalAttention, IsItsDefinitionEitherWay) {
  const auto expected = forward_and_backward(attention_by_definition, torch::kFloat64);
  for (const Attention attention : {cli::causal_attention, cli::written_out_causal_attention}) {
    // sums of at most 30 products of magnitude below 10, rounded to one part in 2^53, and in 2^24
    for (const auto& [dtype, tolerance] :
         {std::pair(torch::kFloat64, 1e-13), std::pair(torch::kFloat32, 2e-5)}) {
      const auto found = forward_and_backward(attention, dtype);
      for (std::size_t i = 0; i < found.size(); ++i) {
        EXPECT_EQ(found[i].sizes(), expected[i].sizes());
        EXPECT_LT((found[i].to(torch::kFloat64) - expected[i]).abs().max().item<double>(),
                  tolerance);
      }
    }
  }
}

}  // namespace
