// The role of each parameter from names, owner types and shapes alone: what module trees and files have in common.
#pragma once

#include <muon/plan/parameter.hpp>

#include <string>
#include <vector>

namespace muon {

/// A parameter under one of its names, before ties are known.
struct Registration {
  std::string name;   ///< "layers.2.attn.in_proj_weight"
  std::string module_type;  ///< "MultiheadAttention"; empty when unknown
  std::int64_t groups = 1;
  at::Tensor tensor;  ///< its identity decides ties; undefined registrations are never tied
  std::vector<std::int64_t> shape;
  bool ends_sequence = false;  ///< the owner is the last child of a Sequential: nothing follows it there, no activation either
};

/// Joins registrations of one tensor, finds each parameter's role with its evidence, and its matrix view.
std::vector<Parameter> assign_roles(const std::vector<Registration>& registrations);

}  // namespace muon
