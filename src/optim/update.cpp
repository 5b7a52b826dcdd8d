#include "update.hpp"

#include <ATen/ATen.h>
#include <torch/optim/adamw.h>

#include <cmath>
#include <map>
#include <tuple>

namespace muon {
namespace {

/// Matrices of one shape, dtype and device, from any number of parameters, and where they lie.
struct Bucket {
  std::vector<at::Tensor> blocks;  // views [count, rows, cols] into the updates
};

using BucketKey = std::tuple<std::int64_t, std::int64_t, int, std::string>;

/// A batch is cut when it holds this many values, so that the work space stays within some hundred MiB whatever the model.
constexpr std::int64_t batch_values = std::int64_t{1} << 24;

void orthogonalize_batch_(const std::vector<at::Tensor>& blocks, const OrthogonalizeOptions& options, double factor) {
  if (blocks.empty()) return;
  const at::Tensor stacked = blocks.size() == 1 ? blocks.front() : at::cat(blocks);
  const at::Tensor result = orthogonalize(stacked, options);
  std::int64_t first = 0;
  for (const at::Tensor& block : blocks) {
    at::Tensor target = block;
    target.copy_(result.narrow(0, first, block.size(0))).mul_(factor);
    first += block.size(0);
  }
}

}  // namespace

void follow_(at::Tensor& state, const at::Tensor& like) {
  if (!state.defined()) {
    state = at::zeros_like(like);
  } else if (state.scalar_type() != like.scalar_type() || state.device() != like.device()) {
    state = state.to(like.options());
  }
}

at::Tensor momentum_(at::Tensor& buffer, const at::Tensor& gradient, double momentum, bool nesterov) {
  buffer.lerp_(gradient, 1 - momentum);
  return nesterov ? at::lerp(gradient, buffer, momentum).contiguous() : buffer.clone(at::MemoryFormat::Contiguous);
}

void orthogonalize_(std::vector<at::Tensor>& updates, const std::vector<MatrixView>& views, const MuonOptions& options) {
  std::map<BucketKey, Bucket> buckets;
  for (std::size_t i = 0; i < updates.size(); ++i) {
    const at::Tensor& update = updates[i];
    for (const at::Tensor& block : views[i].matrices(update)) {
      const BucketKey key{block.size(1), block.size(2), static_cast<int>(update.scalar_type()), update.device().str()};
      buckets[key].blocks.push_back(block);
    }
  }
  const OrthogonalizeOptions how = options.orthogonalize_options();
  for (const auto& [key, bucket] : buckets) {
    const double factor = lr_factor(options.adjust_lr_fn(), std::get<0>(key), std::get<1>(key));
    std::vector<at::Tensor> batch;
    std::int64_t values = 0;
    for (const at::Tensor& block : bucket.blocks) {
      if (!batch.empty() && values + block.numel() > batch_values) {
        orthogonalize_batch_(batch, how, factor);
        batch.clear();
        values = 0;
      }
      batch.push_back(block);
      values += block.numel();
    }
    orthogonalize_batch_(batch, how, factor);
  }
}

void apply_(at::Tensor& parameter, const at::Tensor& update, double lr, double weight_decay) {
  parameter.mul_(1 - lr * weight_decay);
  parameter.add_(update, -lr);
}

void adamw_(at::Tensor& parameter, const at::Tensor& gradient, torch::optim::AdamWParamState& state,
            const torch::optim::AdamWOptions& options) {
  const auto [beta1, beta2] = options.betas();
  follow_(state.exp_avg(), gradient);
  follow_(state.exp_avg_sq(), gradient);
  state.step(state.step() + 1);
  const auto step = static_cast<double>(state.step());

  parameter.mul_(1 - options.lr() * options.weight_decay());
  state.exp_avg().lerp_(gradient, 1 - beta1);
  state.exp_avg_sq().mul_(beta2).addcmul_(gradient, gradient, 1 - beta2);
  at::Tensor second = state.exp_avg_sq();
  if (options.amsgrad()) {
    follow_(state.max_exp_avg_sq(), gradient);
    state.max_exp_avg_sq().copy_(at::maximum(state.max_exp_avg_sq(), second));
    second = state.max_exp_avg_sq();
  }
  const at::Tensor root = second.sqrt().div_(std::sqrt(1 - std::pow(beta2, step))).add_(options.eps());
  parameter.addcdiv_(state.exp_avg(), root, -options.lr() / (1 - std::pow(beta1, step)));
}

}  // namespace muon
