#include "optim/update.hpp"

#include "optim/update_cpu.hpp"

#include <ATen/ATen.h>
#include <torch/optim/adamw.h>
#if __has_include(<ATen/ops/_fused_adamw.h>)
#include <ATen/ops/_fused_adamw.h>
#define MUON_HAS_FUSED_ADAMW
#endif

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <tuple>

namespace muon {
namespace {

/// A batch is cut when it holds this many values, so that the work space stays within some hundred MiB whatever the model.
constexpr std::int64_t batch_values = std::int64_t{1} << 24;

/// Moves `buffer` towards `gradient` and returns the update to orthogonalize, contiguous and safe to write.
at::Tensor momentum_(at::Tensor buffer, const at::Tensor& gradient, double momentum, bool nesterov) {
  buffer.lerp_(gradient, 1 - momentum);
  return nesterov ? at::lerp(gradient, buffer, momentum).contiguous() : buffer.clone(at::MemoryFormat::Contiguous);
}

void orthogonalize_batch_(const std::vector<at::Tensor>& blocks, const OrthogonalizeOptions& how, double factor) {
  if (blocks.empty()) return;
  const at::Tensor stacked = blocks.size() == 1 ? blocks.front() : at::cat(blocks);
  const at::Tensor result = orthogonalize(stacked, how);
  std::int64_t first = 0;
  for (const at::Tensor& block : blocks) {
    at::Tensor target = block;
    target.copy_(result.narrow(0, first, block.size(0))).mul_(factor);
    first += block.size(0);
  }
}

/// Replaces every matrix of every update by its orthogonal factor times the factor of its shape. One batch a shape.
void orthogonalize_(const std::vector<at::Tensor>& momenta, const std::vector<MuonUpdate>& updates) {
  using Key = std::tuple<std::int64_t, std::int64_t, at::ScalarType, std::string, const MuonOptions*>;
  std::map<Key, std::vector<at::Tensor>> buckets;
  for (std::size_t i = 0; i < updates.size(); ++i) {
    for (const at::Tensor& block : updates[i].view->matrices(momenta[i])) {
      buckets[{block.size(1), block.size(2), block.scalar_type(), block.device().str(), updates[i].options}].push_back(block);
    }
  }
  for (const auto& [key, blocks] : buckets) {
    const MuonOptions& options = *std::get<4>(key);
    const double factor = lr_factor(options.adjust_lr_fn(), std::get<0>(key), std::get<1>(key));
    const OrthogonalizeOptions how = options.orthogonalize_options();
    std::vector<at::Tensor> batch;
    std::int64_t values = 0;
    for (const at::Tensor& block : blocks) {
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

void muon_step_aten(std::vector<MuonUpdate> updates) {
  const std::vector<MuonUpdate> given = updates;
  for (MuonUpdate& u : updates) {
    // LibTorch 1.13 has no lerp of float16 on a CPU
    if (!u.parameter.is_cpu() || u.parameter.scalar_type() != at::kHalf) continue;
    u.parameter = u.parameter.to(at::kFloat);
    u.gradient = u.gradient.to(at::kFloat);
    u.buffer = u.buffer.to(at::kFloat);
  }
  std::vector<at::Tensor> momenta;
  for (const MuonUpdate& u : updates) {
    momenta.push_back(momentum_(u.buffer, u.gradient, u.options->momentum(), u.options->nesterov()));
  }
  orthogonalize_(momenta, updates);
  for (std::size_t i = 0; i < updates.size(); ++i) {
    at::Tensor parameter = updates[i].parameter;
    const MuonOptions& options = *updates[i].options;
    parameter.mul_(1 - options.lr() * options.weight_decay()).add_(momenta[i], -options.lr());
    if (parameter.is_same(given[i].parameter)) continue;
    given[i].parameter.copy_(parameter);
    given[i].buffer.copy_(updates[i].buffer);
  }
}

void adamw_aten(const AdamWUpdate& update) {
  const auto [beta1, beta2] = update.options->betas();
  auto& state = *update.state;
  at::Tensor parameter = update.parameter;
  const auto step = static_cast<double>(state.step());
  parameter.mul_(1 - update.options->lr() * update.options->weight_decay());
  state.exp_avg().lerp_(update.gradient, 1 - beta1);
  state.exp_avg_sq().mul_(beta2).addcmul_(update.gradient, update.gradient, 1 - beta2);
  at::Tensor second = state.exp_avg_sq();
  if (update.options->amsgrad()) {
    state.max_exp_avg_sq().copy_(at::maximum(state.max_exp_avg_sq(), second));
    second = state.max_exp_avg_sq();
  }
  const at::Tensor root = second.sqrt().div_(std::sqrt(1 - std::pow(beta2, step))).add_(update.options->eps());
  parameter.addcdiv_(state.exp_avg(), root, -update.options->lr() / (1 - std::pow(beta1, step)));
}

#ifdef MUON_HAS_FUSED_ADAMW
/// LibTorch's kernel refuses tensors that do not lie in memory alike.
bool same_layout(const AdamWUpdate& u) {
  const auto alike = [&](const at::Tensor& t) { return t.strides() == u.parameter.strides(); };
  return u.parameter.is_non_overlapping_and_dense() && alike(u.gradient) && alike(u.state->exp_avg()) &&
         alike(u.state->exp_avg_sq()) && (!u.options->amsgrad() || alike(u.state->max_exp_avg_sq()));
}

/// LibTorch's one kernel for many tensors, for those of one group, device and step.
void adamw_fused(const std::vector<AdamWUpdate>& all) {
  using Key = std::tuple<const torch::optim::AdamWOptions*, std::string, at::ScalarType, std::int64_t>;
  std::map<Key, std::vector<const AdamWUpdate*>> buckets;
  for (const AdamWUpdate& u : all) {
    buckets[{u.options, u.parameter.device().str(), u.parameter.scalar_type(), u.state->step()}].push_back(&u);
  }
  for (const auto& [key, updates] : buckets) {
    const auto& options = *std::get<0>(key);
    const at::Tensor step = at::full({}, static_cast<double>(std::get<3>(key)),
                                     updates.front()->parameter.options().dtype(at::kFloat).requires_grad(false));
    std::vector<at::Tensor> parameters, gradients, averages, squares, largest, steps;
    for (const AdamWUpdate* u : updates) {
      parameters.push_back(u->parameter.detach());
      gradients.push_back(u->gradient);
      averages.push_back(u->state->exp_avg());
      squares.push_back(u->state->exp_avg_sq());
      if (options.amsgrad()) largest.push_back(u->state->max_exp_avg_sq());
      steps.push_back(step);
    }
    const auto [beta1, beta2] = options.betas();
    at::_fused_adamw_(parameters, gradients, averages, squares, largest, steps, options.lr(), beta1, beta2,
                      options.weight_decay(), options.eps(), options.amsgrad(), /*maximize=*/false);
  }
}
#endif

}  // namespace

void match_dtype_and_device_(at::Tensor& state, const at::Tensor& like) {
  if (!state.defined()) {
    state = at::zeros_like(like);
  } else if (state.scalar_type() != like.scalar_type() || state.device() != like.device()) {
    state = state.to(like.options());
  }
}

std::vector<std::size_t> nonfinite(const std::vector<at::Tensor>& tensors) {
  std::vector<std::size_t> bad = nonfinite_cpu(tensors);
  std::map<std::string, std::vector<std::size_t>> devices;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (!tensors[i].is_cpu() && tensors[i].numel() > 0) devices[tensors[i].device().str()].push_back(i);
  }
  for (const auto& [device, indices] : devices) {
    std::vector<at::Tensor> finite;  // the largest magnitude: one read, and NaN wins
    for (const std::size_t i : indices) {
      finite.push_back(at::isfinite(at::linalg_vector_norm(tensors[i], std::numeric_limits<double>::infinity())));
    }
    const at::Tensor on_host = at::stack(finite).cpu();
    for (std::size_t k = 0; k < indices.size(); ++k) {
      if (!on_host[static_cast<std::int64_t>(k)].item<bool>()) bad.push_back(indices[k]);
    }
  }
  std::sort(bad.begin(), bad.end());
  return bad;
}

void muon_step(const std::vector<MuonUpdate>& updates, kernels::Workspace& workspace) {
  std::vector<MuonUpdate> others;
  muon_step_cpu(updates, workspace, others);
  if (!others.empty()) muon_step_aten(others);
}

void adamw_step(const std::vector<AdamWUpdate>& updates) {
  for (const AdamWUpdate& u : updates) {
    match_dtype_and_device_(u.state->exp_avg(), u.parameter);
    match_dtype_and_device_(u.state->exp_avg_sq(), u.parameter);
    if (u.options->amsgrad()) match_dtype_and_device_(u.state->max_exp_avg_sq(), u.parameter);
    u.state->step(u.state->step() + 1);
  }
  std::vector<AdamWUpdate> others;
  adamw_step_cpu(updates, others);
#ifdef MUON_HAS_FUSED_ADAMW
  std::vector<AdamWUpdate> fused;
  std::vector<AdamWUpdate> rest;
  for (AdamWUpdate& u : others) (u.parameter.is_cuda() && same_layout(u) ? fused : rest).push_back(std::move(u));
  adamw_fused(fused);
  others = std::move(rest);
#endif
  for (const AdamWUpdate& u : others) adamw_aten(u);
}

}  // namespace muon
