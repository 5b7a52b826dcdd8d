#include "optim/update_aten.hpp"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>
#include <torch/optim/adamw.h>
#if __has_include(<ATen/ops/_fused_adamw.h>)
#include <ATen/ops/_fused_adamw.h>
#define MUON_HAS_FUSED_ADAMW
#endif

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <tuple>
#include <utility>

namespace muon {
namespace {

/// A batch ends when it holds this many values, so that the work space stays within some hundred
/// MiB for any model.
constexpr std::int64_t batch_values = std::int64_t{1} << 24;

/// LibTorch 1.13 has no lerp of float16 on a CPU, so it is computed in float32.
bool is_half_on_cpu(const MuonUpdate& u) {
  return u.parameter.is_cpu() && u.parameter.scalar_type() == at::kHalf;
}

/// The update to orthogonalize, contiguous and safe to write. The buffer stays as it is.
at::Tensor momentum_of(const MuonUpdate& u) {
  const double momentum = u.options->momentum();
  const bool convert = is_half_on_cpu(u);
  const at::Tensor gradient = convert ? u.gradient.to(at::kFloat) : u.gradient;
  const at::Tensor buffer = convert ? u.buffer.to(at::kFloat) : u.buffer;
  at::Tensor update = at::lerp(buffer, gradient, 1 - momentum);
  if (u.options->nesterov()) update = at::lerp(gradient, update, momentum);
  return update.contiguous();
}

void orthogonalize_batch_(const std::vector<at::Tensor>& blocks,
                          const OrthogonalizeOptions& options, double factor) {
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

/// Replaces every matrix of every update by its orthogonal factor times the factor of its shape.
/// Those of equal shape are computed together, whichever parameter and group they come from.
void orthogonalize_(const std::vector<at::Tensor>& momenta,
                    const std::vector<MuonUpdate>& updates) {
  using Key =
      std::tuple<std::int64_t, std::int64_t, at::ScalarType, std::string, const MuonOptions*>;
  struct Bucket {
    const OrthogonalizeOptions* options;
    std::vector<at::Tensor> blocks;
  };
  std::map<Key, Bucket> buckets;
  for (std::size_t i = 0; i < updates.size(); ++i) {
    for (const at::Tensor& block : updates[i].view->matrices(momenta[i])) {
      Bucket& bucket = buckets[{block.size(1), block.size(2), block.scalar_type(),
                                block.device().str(), updates[i].options}];
      bucket.options = updates[i].orthogonalize;
      bucket.blocks.push_back(block);
    }
  }
  for (const auto& [key, bucket] : buckets) {
    const double factor = lr_factor(*std::get<4>(key), std::get<0>(key), std::get<1>(key));
    std::vector<at::Tensor> batch;
    std::int64_t values = 0;
    for (const at::Tensor& block : bucket.blocks) {
      if (!batch.empty() && values + block.numel() > batch_values) {
        orthogonalize_batch_(batch, *bucket.options, factor);
        batch.clear();
        values = 0;
      }
      batch.push_back(block);
      values += block.numel();
    }
    orthogonalize_batch_(batch, *bucket.options, factor);
  }
}

class MuonAten : public PreparedUpdate {
 public:
  explicit MuonAten(std::vector<MuonUpdate> updates) : updates_(std::move(updates)) {
    for (const MuonUpdate& u : updates_) {
      factors_.push_back(momentum_of(u));
      moved_.push_back(is_half_on_cpu(u)
                           ? at::lerp(u.buffer.to(at::kFloat), u.gradient.to(at::kFloat),
                                      1 - u.options->momentum())
                           : at::Tensor());
    }
    orthogonalize_(factors_, updates_);
  }

  void apply() override {
    for (std::size_t i = 0; i < updates_.size(); ++i) {
      MuonUpdate& u = updates_[i];
      // in InferenceMode, both normal and inference tensors can be written
      const c10::InferenceMode write_any(c10::InferenceMode::is_enabled() ||
                                         u.buffer.is_inference() || u.parameter.is_inference());
      const c10::NoGradGuard no_grad;  // InferenceMode(false) turns gradients on
      moved_[i].defined() ? u.buffer.copy_(moved_[i])
                          : u.buffer.lerp_(u.gradient, 1 - u.options->momentum());
      u.parameter.mul_(1 - u.options->lr() * u.options->weight_decay())
          .add_(factors_[i], -u.options->lr());
      factors_[i].reset();
    }
  }

 private:
  std::vector<MuonUpdate> updates_;
  std::vector<at::Tensor> factors_;
  // the buffers after the step, where they cannot be updated in place
  std::vector<at::Tensor> moved_;
};

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
  const at::Tensor root =
      second.sqrt().div_(std::sqrt(1 - std::pow(beta2, step))).add_(update.options->eps());
  parameter.addcdiv_(state.exp_avg(), root, -update.options->lr() / (1 - std::pow(beta1, step)));
}

#ifdef MUON_HAS_FUSED_ADAMW
/// LibTorch's fused kernel refuses tensors of different memory layouts.
bool same_layout(const AdamWUpdate& u) {
  const auto alike = [&](const at::Tensor& t) { return t.strides() == u.parameter.strides(); };
  return u.parameter.is_non_overlapping_and_dense() && alike(u.gradient) &&
         alike(u.state->exp_avg()) && alike(u.state->exp_avg_sq()) &&
         (!u.options->amsgrad() || alike(u.state->max_exp_avg_sq()));
}

/// The arguments of LibTorch's fused kernel: many tensors of one group, device and step.
struct FusedAdamW {
  const torch::optim::AdamWOptions* options;
  std::vector<at::Tensor> parameters, gradients, averages, squares, largest, steps;

  void apply() {
    const auto [beta1, beta2] = options->betas();
    at::_fused_adamw_(parameters, gradients, averages, squares, largest, steps, options->lr(),
                      beta1, beta2, options->weight_decay(), options->eps(), options->amsgrad(),
                      /*maximize=*/false);
  }
};

std::vector<FusedAdamW> fused_batches(const std::vector<AdamWUpdate>& all) {
  using Key =
      std::tuple<const torch::optim::AdamWOptions*, std::string, at::ScalarType, std::int64_t>;
  std::map<Key, FusedAdamW> buckets;
  for (const AdamWUpdate& u : all) {
    const std::int64_t step = u.state->step() + 1;
    FusedAdamW& bucket =
        buckets[{u.options, u.parameter.device().str(), u.parameter.scalar_type(), step}];
    bucket.options = u.options;
    bucket.parameters.push_back(u.parameter.detach());
    bucket.gradients.push_back(u.gradient);
    bucket.averages.push_back(u.state->exp_avg());
    bucket.squares.push_back(u.state->exp_avg_sq());
    if (u.options->amsgrad()) bucket.largest.push_back(u.state->max_exp_avg_sq());
    const auto scalar = u.parameter.options().dtype(at::kFloat).requires_grad(false);
    bucket.steps.push_back(bucket.steps.empty() ? at::full({}, static_cast<double>(step), scalar)
                                                : bucket.steps.front());
  }
  std::vector<FusedAdamW> result;
  for (auto& [key, bucket] : buckets) result.push_back(std::move(bucket));
  return result;
}
#endif

class AdamWAten : public PreparedUpdate {
 public:
  explicit AdamWAten(std::vector<AdamWUpdate> updates) {
#ifdef MUON_HAS_FUSED_ADAMW
    for (AdamWUpdate& u : updates)
      (u.parameter.is_cuda() && same_layout(u) ? fused_ : single_).push_back(std::move(u));
    batches_ = fused_batches(fused_);
#else
    single_ = std::move(updates);
#endif
  }

  void apply() override {
    for (const AdamWUpdate& u : fused_) u.state->step(u.state->step() + 1);
    for (const AdamWUpdate& u : single_) u.state->step(u.state->step() + 1);
#ifdef MUON_HAS_FUSED_ADAMW
    for (FusedAdamW& batch : batches_) batch.apply();
#endif
    for (const AdamWUpdate& u : single_) adamw_aten(u);
  }

 private:
  std::vector<AdamWUpdate> fused_, single_;
#ifdef MUON_HAS_FUSED_ADAMW
  std::vector<FusedAdamW> batches_;
#endif
};

}  // namespace

std::unique_ptr<PreparedUpdate> prepare_muon_aten(std::vector<MuonUpdate> updates) {
  return std::make_unique<MuonAten>(std::move(updates));
}

std::unique_ptr<PreparedUpdate> prepare_adamw_aten(std::vector<AdamWUpdate> updates) {
  return std::make_unique<AdamWAten>(std::move(updates));
}

}  // namespace muon
