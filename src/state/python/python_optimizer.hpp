// An optimizer's state_dict in a file of torch.save: its groups, parameters, state and options in
// this library's terms.
#pragma once

#include <muon/state/python_state.hpp>

#include "optim/optimizer_state.hpp"
#include "state/formats/python_file.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace muon {

/// All errors are std::runtime_error naming the file.
class PythonOptimizer {
 public:
  struct Parameter {
    std::size_t group;
    std::string name;                      // empty where unknown
    const pickle::Value* state = nullptr;  // null before the first step
  };

  /// Both must outlive it.
  PythonOptimizer(const PythonFile& file, const PythonOptimizerOptions& options);

  /// In the order of the file's groups.
  std::vector<Parameter> parameters(Algorithm algorithm) const;
  /// Keller Jordan's classes sort each Muon group by size, largest first; PyTorch's does not.
  bool is_sorted(std::size_t group) const;
  /// The shape of the state; null before the first step.
  const std::vector<std::int64_t>* shape_of(const Parameter& parameter) const;
  /// The tensors of ParameterState, with the momentum as an average. They must have the shape of
  /// `ours`, whose name errors use.
  std::map<std::string, at::Tensor> tensors_of(const Parameter& parameter,
                                               const ParameterState& ours) const;
  /// Options of ours with the values that a group of the file has for them.
  nlohmann::ordered_json options_of(std::size_t group, nlohmann::ordered_json ours) const;

 private:
  struct Group {
    const pickle::Value* dict;
    Algorithm algorithm;
  };

  const pickle::Value* get(const pickle::Value& dict, std::string_view key) const {
    return file_.document().find(dict, key);
  }
  bool is_true(const pickle::Value& dict, std::string_view key) const;
  Algorithm algorithm_of_group(const pickle::Value& dict) const;
  at::Tensor steps(const pickle::Value& step, const std::string& name) const;
  MomentumConvention convention(const pickle::Value& group) const;
  std::optional<nlohmann::ordered_json> json_of(const pickle::Value& value) const;

  const PythonFile& file_;
  const PythonOptimizerOptions& options_;
  std::map<std::int64_t, const pickle::Value*> states_;
  std::vector<Group> groups_;
};

}  // namespace muon
