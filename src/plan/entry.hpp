// A tensor of the model while its role is sought.
#pragma once

#include <muon/plan/parameter.hpp>

#include "plan/name_parts.hpp"

#include <vector>

namespace muon {

struct Entry {
  Parameter parameter;           ///< with the role that its own names, type and shape give
  std::vector<NameParts> names;  ///< of each of its names
  bool trainable = true;
  bool ends_sequence = false;  ///< see Registration
  bool in_embedding = false;   ///< see Classification

  const NameParts& name() const { return names.front(); }
};

/// Whether the module's type, which is known, says no more than that this is a matrix.
inline bool is_linear(const Parameter& parameter) { return parameter.module_type == "Linear"; }

}  // namespace muon
