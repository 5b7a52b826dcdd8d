// From the options to an optimizer: the plan, the optimizer it makes, and its schedule.
#pragma once

#include "train/models/model.hpp"
#include "train/train_options.hpp"

#include <muon/muon.hpp>

#include <memory>
#include <optional>
#include <string>

namespace cli {

/// Who optimizes what. None for SGD, which has every parameter.
/// Errors   UsageError: an --assign that is not GLOB=muon|adamw|freeze, or one beside SGD. std::invalid_argument from the plan.
std::optional<muon::Plan> plan_for(const TrainOptions& options, const Model& model);

/// muon::MuonWithAuxAdam where the plan has anything for Muon; else LibTorch's own AdamW or SGD.
std::unique_ptr<torch::optim::Optimizer> make_optimizer(const TrainOptions& options, const Model& model,
                                                        const std::optional<muon::Plan>& plan);

/// The factor for all learning rates over a run of `total` steps.
muon::Schedule make_schedule(const TrainOptions& options, std::int64_t total);

/// "muon", "adamw" or "sgd": whose options they are.
std::string algorithm_name(const torch::optim::OptimizerOptions& options);

/// The learning rates now, equal ones once: "Muon 0.02, AdamW 0.003".
std::string learning_rates(torch::optim::Optimizer& optimizer);

}  // namespace cli
