// From the options to an optimizer: the plan, the optimizer it makes, and its schedule. The
// defaults are the library's: muon::default_muon and muon::default_adamw for --optimizer muon, as in
// the one line muon::MuonWithAuxAdam(*model); torch::optim::AdamWOptions for --optimizer adamw.
#pragma once

#include "train/models/model.hpp"
#include "train/train_options.hpp"

#include <muon/muon.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace cli {

/// The values in effect, whether given or defaults: those of --optimizer's own groups, ...
double learning_rate(const TrainOptions& options);
double weight_decay(const TrainOptions& options);
double momentum(const TrainOptions& options);
/// ... and those of the AdamW beside Muon.
double aux_learning_rate(const TrainOptions& options);

/// Who optimizes what. None for SGD, which optimizes every parameter.
/// Errors   UsageError: an --assign that is not GLOB=muon|adamw|freeze, or one beside SGD.
///          std::invalid_argument from the plan.
std::optional<muon::Plan> plan_for(const TrainOptions& options, const Model& model);

/// A muon::MuonWithAuxAdam for the plan's groups, which may all be AdamW's; torch::optim::SGD
/// without a plan.
std::unique_ptr<torch::optim::Optimizer> make_optimizer(const TrainOptions& options,
                                                        const Model& model,
                                                        const std::optional<muon::Plan>& plan);

/// The factor for all learning rates over a run of `total` steps.
/// Errors   UsageError: a warm-up longer than the run.
muon::Schedule make_schedule(const TrainOptions& options, std::int64_t total);

/// Which optimizer's options they are.
OptimizerKind kind_of(const torch::optim::OptimizerOptions& options);

/// The current learning rates, without repetition: "Muon 0.02, AdamW 0.0003".
std::string learning_rates(torch::optim::Optimizer& optimizer);

}  // namespace cli
