#include "plan/layer_flow.hpp"

#include "plan/name_words.hpp"

#include <algorithm>

namespace muon {
namespace {

bool is_vector_of_normalization(const Entry& entry) {
  const Parameter& p = entry.parameter;
  if (p.shape.size() != 1) return false;
  return says_normalization(entry.name().words) ||
         (p.role == Role::gain && p.evidence == Evidence::module_type);
}

}  // namespace

LayerFlow::LayerFlow(const std::vector<Entry>& entries) {
  for (const Entry& entry : entries) {
    const Parameter& p = entry.parameter;
    if (is_vector_of_normalization(entry)) add(p.shape[0], entry);
    const bool matrices = p.role == Role::hidden_matrix || p.role == Role::convolution;
    if (!matrices || p.shape.size() < 2) continue;
    if (p.module_type.starts_with("ConvTranspose")) {
      add(p.shape[0], entry);  // [in, out / groups, kernel ..]
    } else if (p.groups > 1) {
      add(p.shape[1] * p.groups, entry);
    } else {
      add(p.shape[1], entry);
    }
    if (p.module_type == "Bilinear" && p.shape.size() == 3) add(p.shape[2], entry);
  }
}

const std::vector<const Entry*>& LayerFlow::takers(const Entry& entry) const {
  static const std::vector<const Entry*> none;
  const auto found = takers_.find(entry.parameter.shape[0]);
  return found == takers_.end() ? none : found->second;
}

bool LayerFlow::is_taken_by_another(std::int64_t width, const Entry& entry) const {
  const auto found = takers_.find(width);
  return found != takers_.end() && std::any_of(found->second.begin(), found->second.end(),
                                               [&](const Entry* taker) { return taker != &entry; });
}

bool LayerFlow::is_taken(const Entry& entry) const {
  return is_taken_by_another(entry.parameter.shape[0], entry);
}

bool LayerFlow::is_taken_in_parts(const Entry& entry) const {
  const std::int64_t outputs = entry.parameter.shape[0];
  const auto may_be_cut = [&](std::int64_t parts) {
    return outputs % parts == 0 && is_taken_by_another(outputs / parts, entry);
  };
  return is_taken(entry) || may_be_cut(2) || may_be_cut(3) || may_be_cut(4);
}

}  // namespace muon
