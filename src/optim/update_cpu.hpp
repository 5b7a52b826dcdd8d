// The same steps on a CPU, through the kernels: what they do not take is handed back in `others`.
#pragma once

#include "optim/update.hpp"

namespace muon {

std::vector<std::size_t> nonfinite_cpu(const std::vector<at::Tensor>& tensors);
void muon_step_cpu(const std::vector<MuonUpdate>& updates, kernels::Workspace& workspace, std::vector<MuonUpdate>& others);
void adamw_step_cpu(const std::vector<AdamWUpdate>& updates, std::vector<AdamWUpdate>& others);

}  // namespace muon
