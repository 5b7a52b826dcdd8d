#include "optim/update.hpp"

#include "optim/update_aten.hpp"
#include "optim/update_cpu.hpp"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>
#include <torch/optim/adamw.h>

#include <algorithm>
#include <limits>
#include <map>
#include <string>
#include <utility>

namespace muon {

void match_dtype_and_device_(at::Tensor& state, const at::Tensor& like) {
  // so that a state created under InferenceMode can also be written later
  const c10::InferenceMode normal_tensors(false);
  const c10::NoGradGuard no_grad;  // InferenceMode(false) turns gradients on
  if (!state.defined()) {
    state = at::zeros_like(like, like.options().requires_grad(false));
  } else if (state.scalar_type() != like.scalar_type() || state.device() != like.device()) {
    state = state.to(like.options());
  }
}

std::vector<std::size_t> nonfinite(const std::vector<at::Tensor>& tensors) {
  std::vector<std::size_t> bad = nonfinite_cpu(tensors);
  std::map<std::string, std::vector<std::size_t>> devices;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (!tensors[i].is_cpu() && tensors[i].numel() > 0)
      devices[tensors[i].device().str()].push_back(i);
  }
  for (const auto& [device, indices] : devices) {
    std::vector<at::Tensor> finite;  // by the largest magnitude: one read, and NaN propagates
    for (const std::size_t i : indices) {
      finite.push_back(at::isfinite(
          at::linalg_vector_norm(tensors[i], std::numeric_limits<double>::infinity())));
    }
    const at::Tensor on_host = at::stack(finite).cpu();
    for (std::size_t k = 0; k < indices.size(); ++k) {
      if (!on_host[static_cast<std::int64_t>(k)].item<bool>()) bad.push_back(indices[k]);
    }
  }
  std::sort(bad.begin(), bad.end());
  return bad;
}

Step::Step(const std::vector<MuonUpdate>& muon, const std::vector<AdamWUpdate>& adamw,
           kernels::Workspace& workspace) {
  for (const AdamWUpdate& u : adamw) {
    match_dtype_and_device_(u.state->exp_avg(), u.parameter);
    match_dtype_and_device_(u.state->exp_avg_sq(), u.parameter);
    if (u.options->amsgrad()) match_dtype_and_device_(u.state->max_exp_avg_sq(), u.parameter);
  }
  std::vector<MuonUpdate> muon_aten;
  std::vector<MuonUpdate> muon_cpu;
  for (const MuonUpdate& u : muon) (supported_by_kernels(u) ? muon_cpu : muon_aten).push_back(u);
  std::vector<AdamWUpdate> adamw_aten;
  std::vector<AdamWUpdate> adamw_cpu;
  for (const AdamWUpdate& u : adamw) (u.parameter.is_cpu() ? adamw_cpu : adamw_aten).push_back(u);
  if (!muon_aten.empty()) parts_.push_back(prepare_muon_aten(muon_aten));
  if (!adamw_aten.empty()) parts_.push_back(prepare_adamw_aten(adamw_aten));
  if (!muon_cpu.empty()) parts_.push_back(prepare_muon_cpu(muon_cpu, workspace));
  if (!adamw_cpu.empty()) parts_.push_back(prepare_adamw_cpu(adamw_cpu));
}

void Step::apply() {
  for (const auto& part : parts_) part->apply();
}

}  // namespace muon
