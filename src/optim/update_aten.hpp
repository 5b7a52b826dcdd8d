// A step through ATen: on CUDA and other devices, for bfloat16 products, and on a CPU whose
// LibTorch hides its BLAS.
#pragma once

#include "optim/update.hpp"

#include <memory>
#include <vector>

namespace muon {

/// Computes all orthogonal factors, which takes memory of the size of the parameters.
std::unique_ptr<PreparedUpdate> prepare_muon_aten(std::vector<MuonUpdate> updates);

/// LibTorch's fused kernel where it has one; else operation by operation, whose temporaries are as
/// large as one parameter.
std::unique_ptr<PreparedUpdate> prepare_adamw_aten(std::vector<AdamWUpdate> updates);

}  // namespace muon
