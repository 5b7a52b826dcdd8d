// An optimizer's state by parameter name: what checkpoints, archives and Python's state_dict have
// in common.
#pragma once

#include <muon/optim/grouped_optimizer.hpp>
#include <muon/optim/load_tolerance.hpp>

#include "optim/optimizer_groups.hpp"
#include "optim/pending_restore.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace muon {

struct ParameterState {
  std::string name;  ///< or, if it has none, its place: "parameter 3 of group 0"
  bool is_named = true;
  std::vector<std::int64_t> shape;
  std::string view;  ///< MatrixView::to_string(); empty under AdamW
  /// "momentum_buffer"; or "exp_avg", "exp_avg_sq", with amsgrad "max_exp_avg_sq", and "step", one
  /// int64. None before the first step that had a gradient.
  std::map<std::string, at::Tensor> tensors;
};

struct GroupState {
  Algorithm algorithm;
  nlohmann::ordered_json options;
  std::vector<ParameterState> parameters;
};

using OptimizerState = std::vector<GroupState>;

/// All names of a parameter, the one to store it under first; none if it has none.
using NamesOf = std::function<std::vector<std::string>(const at::Tensor&)>;

/// The current state, which shares the optimizer's tensors. For this library's optimizers and
/// torch::optim::AdamW.
OptimizerState state_of_optimizer(const torch::optim::Optimizer& optimizer, const NamesOf& names);

/// MatrixView::to_string() of the parameter's view; empty under AdamW.
std::string view_text(const torch::optim::Optimizer& optimizer, const at::Tensor& parameter,
                      const OptimizerGroup& group);

/// The name of a parameter's tensor in a file: "fc1.weight/momentum_buffer".
std::string tensor_name(const ParameterState& parameter, const std::string& key);

/// Assigns tensors with such names to their parameters.
class StateTensors {
 public:
  explicit StateTensors(OptimizerState& state);
  /// Returns false if the name belongs to no parameter of the state.
  bool put(const std::string& name, const at::Tensor& tensor);

 private:
  std::map<std::string, ParameterState*> parameters_;
};

/// The state without tensors as JSON, and back.
nlohmann::ordered_json state_json(const OptimizerState& state);
OptimizerState state_from_json(const nlohmann::ordered_json& json);

/// Prepares to restore `state` into the optimizers, by name, whichever of them has a parameter.
/// Appends to `prepared`.
void prepare_restore(const std::vector<torch::optim::Optimizer*>& optimizers,
                     const OptimizerState& state, const NamesOf& names,
                     const LoadTolerance& tolerance, StoredOptions stored_options,
                     PendingRestore& prepared);

}  // namespace muon
