// The arithmetic of one step, on tensors only: no groups, no names, no state maps. Everything has been checked before.
#pragma once

#include <muon/plan/options.hpp>

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <vector>

namespace torch::optim {
struct AdamWParamState;
}

namespace muon {

namespace kernels {
class Workspace;
}

/// `like` zeros if undefined, moved to the dtype and device of `like` if they differ: module->to() moves a parameter and keeps
/// its address, and so its state.
void match_dtype_and_device_(at::Tensor& state, const at::Tensor& like);

/// Which of the tensors hold NaN or infinity. Reads each once; on a device, all of them are read before the one wait.
std::vector<std::size_t> nonfinite(const std::vector<at::Tensor>& tensors);

struct MuonUpdate {
  at::Tensor parameter;
  at::Tensor gradient;
  at::Tensor buffer;
  const MatrixView* view;
  const MuonOptions* options;
  const OrthogonalizeOptions* how;  // options->orthogonalize_options()
};

/// buffer <- momentum, parameter <- (1 - lr weight_decay) parameter - lr factor polar(momentum), for every matrix of each. Those
/// of equal shape are computed together, whichever parameter and group they come from.
void muon_step(const std::vector<MuonUpdate>& updates, kernels::Workspace& workspace);

struct AdamWUpdate {
  at::Tensor parameter;
  at::Tensor gradient;
  torch::optim::AdamWParamState* state;
  const torch::optim::AdamWOptions* options;
};

/// One AdamW update of each, with decoupled decay and bias-corrected moments.
/// Source   Loshchilov and Hutter, https://arxiv.org/abs/1711.05101; amsgrad: Reddi et al., https://arxiv.org/abs/1904.09237
void adamw_step(const std::vector<AdamWUpdate>& updates);

}  // namespace muon
