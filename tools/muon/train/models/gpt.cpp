// A decoder-only transformer over bytes, in its current form: RMSNorm before each part, rotary
// positions, norms on queries and keys, squared ReLU, no biases. Queries, keys and values are one
// Linear, as in most models that people train, so Muon needs its view to see three matrices.
//
// Sources: A. Radford et al., GPT-2, 2019. J. Su et al., RoFormer, 2021. D. So et al., Primer
// (squared ReLU), 2021. A. Henry et al., Query-Key Normalization, 2020. K. Jordan et al.,
// modded-nanogpt, 2024, for leaving gains out of the norms and for the norm after the embedding.
#include "train/models/gpt.hpp"

#include "train/models/attention.hpp"
#include "train/models/model.hpp"

#include <cmath>
#include <string>
#include <vector>

namespace cli {
namespace {

namespace F = torch::nn::functional;
using torch::nn::Embedding;
using torch::nn::Linear;
using torch::nn::LinearOptions;

constexpr std::int64_t vocabulary = 256;

torch::Tensor rms_norm(const torch::Tensor& x) {
  constexpr double eps = 1e-6;
  return x * (x.square().mean(-1, /*keepdim=*/true) + eps).rsqrt();
}

/// Rotary positions: the angles by which the pairs of a head are turned, [time, head width / 2].
struct Angles {
  torch::Tensor cos, sin;

  Angles first(std::int64_t time, const torch::TensorOptions& options) const {
    return {cos.slice(0, 0, time).to(options), sin.slice(0, 0, time).to(options)};
  }
};

Angles make_angles(std::int64_t context, std::int64_t head_width) {
  const torch::Tensor exponents = torch::arange(0, head_width, 2, torch::kFloat64) / head_width;
  const torch::Tensor angles =
      torch::outer(torch::arange(context, torch::kFloat64), torch::pow(10000.0, -exponents));
  return {angles.cos(), angles.sin()};
}

/// x [.., time, head width]; a pair is a value of the first half and the same one of the second.
torch::Tensor rotate(const torch::Tensor& x, const Angles& angles) {
  const std::vector<torch::Tensor> half = x.chunk(2, -1);
  return torch::cat(
      {half[0] * angles.cos - half[1] * angles.sin, half[0] * angles.sin + half[1] * angles.cos},
      -1);
}

Linear linear(std::int64_t in, std::int64_t out) {
  return Linear(LinearOptions(in, out).bias(false));
}

class AttentionImpl : public torch::nn::Module {
 public:
  explicit AttentionImpl(const GptShape& shape)
      : heads_(shape.heads),
        qkv_(register_module("qkv", linear(shape.width, 3 * shape.width))),
        proj_(register_module("proj", linear(shape.width, shape.width))) {}

  torch::Tensor forward(const torch::Tensor& x, const Angles& angles) {
    const auto n = x.size(0), time = x.size(1), width = x.size(2);
    // [n, time, 3 width] -> [3, n, heads, time, head width]
    const torch::Tensor qkv =
        qkv_(x).view({n, time, 3, heads_, width / heads_}).permute({2, 0, 3, 1, 4});
    const torch::Tensor qk = rotate(rms_norm(qkv.slice(0, 0, 2)), angles);
    const torch::Tensor mixed = causal_attention(qk[0], qk[1], qkv[2]);
    return proj_(mixed.transpose(1, 2).reshape({n, time, width}));
  }

 private:
  std::int64_t heads_;
  Linear qkv_, proj_;
};
TORCH_MODULE(Attention);

class MlpImpl : public torch::nn::Module {
 public:
  explicit MlpImpl(std::int64_t width)
      : fc_(register_module("fc", linear(width, 4 * width))),
        proj_(register_module("proj", linear(4 * width, width))) {}

  torch::Tensor forward(const torch::Tensor& x) { return proj_(torch::relu(fc_(x)).square()); }

 private:
  Linear fc_, proj_;
};
TORCH_MODULE(Mlp);

class BlockImpl : public torch::nn::Module {
 public:
  explicit BlockImpl(const GptShape& shape)
      : attn_(register_module("attn", Attention(shape))),
        mlp_(register_module("mlp", Mlp(shape.width))) {}

  torch::Tensor forward(const torch::Tensor& x, const Angles& angles) {
    const torch::Tensor y = x + attn_(rms_norm(x), angles);
    return y + mlp_(rms_norm(y));
  }

 private:
  Attention attn_;
  Mlp mlp_;
};
TORCH_MODULE(Block);

/// A module of its own, so that it can register the embedding's table as its weight.
class HeadImpl : public torch::nn::Module {
 public:
  explicit HeadImpl(const torch::Tensor& table) : weight_(register_parameter("weight", table)) {}
  torch::Tensor forward(const torch::Tensor& x) { return F::linear(x, weight_); }

 private:
  torch::Tensor weight_;
};
TORCH_MODULE(Head);

class Gpt : public Model {
 public:
  explicit Gpt(const GptShape& shape)
      : angles_(make_angles(shape.context, shape.width / shape.heads)),
        embed_(register_module("embed", Embedding(vocabulary, shape.width))),
        head_(nullptr) {
    for (std::int64_t i = 0; i < shape.layers; ++i) blocks_->push_back(Block(shape));
    register_module("blocks", blocks_);
    const torch::Tensor table =
        shape.tied ? embed_->weight : torch::empty({vocabulary, shape.width});
    head_ = register_module("head", Head(table));
    initialize(shape.layers);
  }

  torch::Tensor forward(const torch::Tensor& bytes) override {
    torch::Tensor x = rms_norm(embed_(bytes));
    const Angles angles = angles_.first(bytes.size(1), x.options());
    for (const auto& block : *blocks_) x = block->as<Block>()->forward(x, angles);
    return head_(rms_norm(x));
  }

 private:
  /// GPT-2's: normal(0.02), and what is added to the residual stream smaller, so that the stream
  /// does not grow with the depth. Not zero, as in modded-nanogpt, since then the first step would
  /// have no gradient for two of a block's four matrices, and --gradients 1 should show them all.
  void initialize(std::int64_t layers) {
    const torch::NoGradGuard no_grad;
    for (const auto& entry : named_parameters()) {
      const bool residual = entry.key().find(".proj.") != std::string::npos;
      const double parts = residual ? 2.0 * static_cast<double>(layers) : 1.0;
      torch::Tensor(entry.value()).normal_(0, 0.02 / std::sqrt(parts));
    }
  }

  Angles angles_;
  Embedding embed_;
  torch::nn::ModuleList blocks_;
  Head head_;
};

}  // namespace

std::shared_ptr<Model> make_gpt(const GptShape& shape) { return std::make_shared<Gpt>(shape); }

}  // namespace cli
