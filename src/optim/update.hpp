// The arithmetic of one step, one function an arrow: momentum_ -> orthogonalize -> scale -> apply_. Tensors only: no groups, no
// names, no state maps. Functions ending in _ write their first argument.
#pragma once

#include <muon/optim/options.hpp>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace torch::optim {
struct AdamWParamState;
}

namespace muon {

/// `like` zeros if undefined, moved to the dtype and device of `like` if they differ: module->to() moves a parameter and keeps
/// its address, and so its state.
void follow_(at::Tensor& state, const at::Tensor& like);

/// Moves `buffer` towards `gradient` and returns the update to orthogonalize, contiguous and safe to write.
at::Tensor momentum_(at::Tensor& buffer, const at::Tensor& gradient, double momentum, bool nesterov);

/// Replaces every matrix of every update by its orthogonal factor times the factor of its shape. Matrices of equal shape are
/// stacked, whichever parameter they come from.
void orthogonalize_(std::vector<at::Tensor>& updates, const std::vector<MatrixView>& views, const MuonOptions& options);

/// parameter <- (1 - lr weight_decay) parameter - lr update
void apply_(at::Tensor& parameter, const at::Tensor& update, double lr, double weight_decay);

/// One AdamW update, with decoupled decay and bias-corrected moments.
/// Source   Loshchilov and Hutter, https://arxiv.org/abs/1711.05101; amsgrad: Reddi et al., https://arxiv.org/abs/1904.09237
void adamw_(at::Tensor& parameter, const at::Tensor& gradient, torch::optim::AdamWParamState& state,
            const torch::optim::AdamWOptions& options);

}  // namespace muon
