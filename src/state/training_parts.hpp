// The optimizers and schedules of a TrainingState as lists, and the names of their parameters.
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
  /// Refers to `training`, which must outlive it.
  /// Errors   std::invalid_argument: an optimizer that is null or of an unknown class, a tensor in
  ///          two of them.
  explicit TrainingParts(const TrainingState& training);

  const std::vector<torch::optim::Optimizer*>& optimizers() const { return optimizers_; }
  const std::vector<LambdaLR*>& schedules() const { return schedules_; }

  /// The index of the optimizer's first group, with the groups of all optimizers counted in order.
  /// None if the optimizer is not among them.
  std::optional<std::size_t> first_group_of(const torch::optim::Optimizer& optimizer) const;
  /// The groups of all optimizers, in order.
  OptimizerState state() const;

  /// All names of a parameter, beginning with the one to store it under: those of the model, or
  /// else of its optimizer, or else its position.
  std::vector<std::string> names(const at::Tensor& parameter) const;
  NamesOf names_of() const;

 private:
  const NamedTensors& model_;
  std::vector<torch::optim::Optimizer*> optimizers_;
  std::vector<LambdaLR*> schedules_;
  std::map<const c10::TensorImpl*, std::string> names_;  // an optimizer's, or a position
};

}  // namespace muon
