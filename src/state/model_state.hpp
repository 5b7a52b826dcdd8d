// Restores a model's tensors from a file, by name.
#pragma once

#include <muon/state/checkpoint.hpp>

#include "optim/pending_restore.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace muon {

struct StoredTensor {
  std::vector<std::int64_t> shape;
  std::function<at::Tensor()> read;
};

/// Prepares to copy `stored` into `model`: each tensor of the model under any of its names. If the
/// file has several of them, they must be equal. Appends to `prepared`.
void prepare_model(const NamedTensors& model, const std::map<std::string, StoredTensor>& stored,
                   const LoadTolerance& tolerance, PendingRestore& prepared);

}  // namespace muon
