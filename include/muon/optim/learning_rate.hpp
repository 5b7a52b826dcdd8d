// muon/optim/learning_rate.hpp: learning rates and momentum of a running optimizer.
//
// The type of a group's options says which algorithm it is for, so
// `static_cast<torch::optim::AdamWOptions&>(group.options())`, usual in LibTorch programs, is
// undefined for a group of Muon's. `group.options().set_lr(x)` is right for every group, and these
// functions set the rates of a whole optimizer.
#pragma once

#include <muon/export.hpp>

#include <torch/optim/optimizer.h>

#include <optional>

namespace muon {

/// Multiplies the learning rate of every group by `factor`. For any optimizer.
/// Errors   std::invalid_argument unless `factor` is finite and at least 0.
MUON_API void scale_lr(torch::optim::Optimizer& optimizer, double factor);

struct LearningRates {
  std::optional<double> muon;   ///< for the groups of Muon's; they stay as they are without
  std::optional<double> adamw;  ///< for the groups of AdamW's
};

/// Sets the learning rates by algorithm.
/// Errors   std::invalid_argument: a rate that is negative or not finite, or given for an algorithm
///          that the optimizer has no group of; nothing is changed then.
///
/// Example  muon::set_lr(optimizer, {.muon = 0.01, .adamw = 1.5e-4});
MUON_API void set_lr(torch::optim::Optimizer& optimizer, const LearningRates& rates);

/// Sets the momentum of every Muon group of `optimizer`; other groups keep theirs.
/// Errors   std::invalid_argument unless 0 <= momentum < 1.
MUON_API void set_momentum(torch::optim::Optimizer& optimizer, double momentum);

}  // namespace muon
