// A plan's names by tensor, as GroupedOptimizer keeps them for its errors.
#pragma once

#include <muon/plan/plan.hpp>

#include <string>
#include <unordered_map>

namespace muon {

using ParameterNames = std::unordered_map<const c10::TensorImpl*, std::string>;

inline ParameterNames names_of(const Plan& plan) {
  ParameterNames names;
  for (const Assignment& a : plan.assignments()) {
    if (a.parameter.tensor.defined()) names.emplace(a.parameter.tensor.unsafeGetTensorImpl(), a.parameter.name);
  }
  return names;
}

}  // namespace muon
