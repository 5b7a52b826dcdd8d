// Options of a group as JSON and back: in plans, checkpoints and archives the same words.
#pragma once

#include <muon/plan/options.hpp>

#include <nlohmann/json.hpp>
#include <torch/optim/optimizer.h>

#include <memory>

namespace muon {

/// An object with every option.
nlohmann::ordered_json options_json(const torch::optim::OptimizerOptions& options);

/// What `options_json` wrote. A field that is missing keeps its default, so that files of before
/// the field was made can be read.
/// Errors   std::runtime_error naming the field: of another type, out of range, or unknown.
std::unique_ptr<torch::optim::OptimizerOptions> options_from_json(Algorithm algorithm,
                                                                  const nlohmann::json& json);

}  // namespace muon
