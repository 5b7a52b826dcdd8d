// The optimizers and schedules of a TrainingState as lists, and how their parameters are called.
#pragma once

#include <muon/state/checkpoint.hpp>

#include "optim/optimizer_state.hpp"

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace muon {

class TrainingParts {
 public:
  /// Refers to `training`, which must live longer.
  /// Errors   std::invalid_argument: an optimizer that is neither of ours nor torch::optim::AdamW,
  ///          null, a tensor in two of them.
  explicit TrainingParts(const TrainingState& training);

  const std::vector<torch::optim::Optimizer*>& optimizers() const { return optimizers_; }
  const std::vector<LambdaLR*>& schedules() const { return schedules_; }

  /// The groups of all optimizers are counted on, one after the other: the number of this one's
  /// first. Nothing if it is none.
  std::optional<std::size_t> first_group_of(const torch::optim::Optimizer& optimizer) const;
  /// All optimizers' groups, one after the other.
  OptimizerState state() const;

  /// All names of a parameter, the one to store it under first: the model's, else its optimizer's,
  /// else its place.
  std::vector<std::string> names(const at::Tensor& parameter) const;
  NamesOf names_of() const;

 private:
  const NamedTensors& model_;
  std::vector<torch::optim::Optimizer*> optimizers_;
  std::vector<LambdaLR*> schedules_;
  std::map<const c10::TensorImpl*, std::string> names_;  // of an optimizer or by place
};

}  // namespace muon
