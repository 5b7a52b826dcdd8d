// A step on a CPU, through the kernels.
#pragma once

#include "optim/update.hpp"

#include <memory>
#include <vector>

namespace muon {

/// As `nonfinite`, for CPU tensors only.
std::vector<std::size_t> nonfinite_cpu(const std::vector<at::Tensor>& tensors);

/// Whether `prepare_muon_cpu` takes the update.
bool supported_by_kernels(const MuonUpdate& update);

std::unique_ptr<PreparedUpdate> prepare_muon_cpu(const std::vector<MuonUpdate>& updates,
                                                 kernels::Workspace& workspace);
std::unique_ptr<PreparedUpdate> prepare_adamw_cpu(const std::vector<AdamWUpdate>& updates);

}  // namespace muon
