// The role of a parameter whose module's type is not known, from its name and shape.
#pragma once

#include <muon/plan/parameter.hpp>

#include "plan/name_parts.hpp"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace muon {

/// What one name of a parameter tells.
struct Classification {
  Role role = Role::other;
  Evidence evidence = Evidence::shape;
  std::string reason;
  bool low_confidence = false;
  bool in_embedding = false;  ///< a layer of something that is called an embedding, or its table
};

/// What the names and shapes of a whole model tell about one of its parameters.
class ModelNames {
 public:
  void add(const NameParts& name, const std::vector<std::int64_t>& shape);

  /// An Embedding has no bias, so what has one is a Linear, whatever its name.
  bool has_bias(const NameParts& name) const;
  /// Whether a list has two layers next to each other, where a Sequential has an activation.
  bool is_dense_list(const NameParts& name) const;
  /// Whether a vector of this size, or a layer of as many inputs, is in the model.
  bool is_width(std::int64_t size) const { return widths_.count(size) > 0; }
  bool is_vector_size(std::int64_t size) const { return vector_sizes_.count(size) > 0; }

 private:
  std::set<std::string> owners_of_bias_;
  std::map<std::string, std::set<std::vector<std::string>>> places_;
  std::set<std::int64_t> widths_, vector_sizes_;
};

Classification role_by_name(const NameParts& name, const std::vector<std::int64_t>& shape,
                            const ModelNames& model);

}  // namespace muon
