// Conversion of a group's options to and from JSON, for plans, checkpoints and archives.
#pragma once

#include <muon/plan/options.hpp>

#include <nlohmann/json.hpp>
#include <torch/optim/optimizer.h>

#include <memory>

namespace muon {

/// A JSON object with every option.
nlohmann::ordered_json options_json(const torch::optim::OptimizerOptions& options);

/// Reads what `options_json` wrote. A missing field keeps its default, so that files from before
/// the field existed can be read.
/// Errors   std::runtime_error naming the field: of another type, out of range, or unknown.
std::unique_ptr<torch::optim::OptimizerOptions> options_from_json(Algorithm algorithm,
                                                                  const nlohmann::json& json);

}  // namespace muon
