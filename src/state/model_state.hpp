// A model's tensors out of a file, by name.
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

/// `stored` into `model`: every tensor of the model by any of its names; under several they must be
/// equal. Adds to `prepared`.
void prepare_model(const NamedTensors& model, const std::map<std::string, StoredTensor>& stored,
                   const LoadTolerance& tolerance, PendingRestore& prepared);

}  // namespace muon
