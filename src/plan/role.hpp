// The role of each parameter from names, module types and shapes alone: what module trees and files
// have in common.
#pragma once

#include <muon/plan/parameter.hpp>

#include <string>
#include <vector>

namespace muon {

/// A parameter under one of its names, before ties are known.
struct Registration {
  std::string name;         ///< "layers.2.attn.in_proj_weight"
  std::string module_type;  ///< "MultiheadAttention"; empty when unknown
  std::int64_t groups = 1;  ///< groups of a convolution
  at::Tensor tensor;        ///< undefined when only a file's names and shapes are known
  std::vector<std::int64_t> shape;
  /// the module is the last child of a Sequential: nothing follows it there, no activation either
  bool ends_sequence = false;
  /// Equal for all registrations of one tensor; null for a tensor with a single name.
  const void* identity = nullptr;
  /// A frozen parameter is part of the model by which the others are judged, and not described.
  bool trainable = true;
};

/// Joins registrations of one tensor, finds each parameter's role with its evidence, and its matrix
/// view. Registrations with module types are in the order of the model's layers.
std::vector<Parameter> assign_roles(const std::vector<Registration>& registrations);

/// Without values (a size of 0) there is nothing to optimize, and no view needs to fit.
bool has_values(const Parameter& parameter);

}  // namespace muon
