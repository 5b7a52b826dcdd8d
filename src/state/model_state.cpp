#include "state/model_state.hpp"

#include "matrix/shape_text.hpp"

#include <ATen/ATen.h>
#include <ATen/MemoryOverlap.h>
#include <fmt/format.h>

#include <set>
#include <utility>

namespace muon {
namespace {

/// Why `from` cannot be copied to `to`; empty if it can.
std::string difference(const at::Tensor& from, const at::Tensor& to, bool any_dtype) {
  if (at::has_internal_overlap(to) == at::MemOverlap::Yes)
    return "is expanded in the model: several entries share one memory";
  if (from.scalar_type() == to.scalar_type() || any_dtype) return "";
  return fmt::format("is of type {} in the file and {} in the model",
                     c10::toString(from.scalar_type()), c10::toString(to.scalar_type()));
}

bool are_equal(const at::Tensor& a, const at::Tensor& b) {
  if (a.scalar_type() != b.scalar_type() || a.sizes() != b.sizes()) return false;
  return (a.data_ptr() == b.data_ptr() && a.strides() == b.strides()) || at::equal(a, b);
}

using Stored = std::map<std::string, StoredTensor>;

/// Prepares one tensor of the model. A file may have it under several names, as a state_dict has
/// tied weights.
void prepare_entry(const NamedTensors::Entry& entry, const Stored& stored,
                   const LoadTolerance& tolerance, PendingRestore& prepared) {
  const auto problem = [&](std::string text) { prepared.problems.push_back(std::move(text)); };
  at::Tensor from;
  const std::string* first = nullptr;
  for (const std::string& name : entry.names) {
    const auto found = stored.find(name);
    if (found == stored.end()) continue;
    if (entry.tensor.sizes() != found->second.shape) {
      return problem(fmt::format("'{}' has shape {} in the file and {} in the model", name,
                                 shape_text(found->second.shape),
                                 shape_text(entry.tensor.sizes())));
    }
    const at::Tensor tensor = found->second.read();
    if (first != nullptr && !are_equal(from, tensor))
      return problem(fmt::format("'{}' and '{}' are one tensor in the model and differ in the file",
                                 *first, name));
    from = tensor;
    first = &name;
  }
  if (first == nullptr) {
    if (!tolerance.missing) problem(fmt::format("the file has no '{}'", entry.names.front()));
    return;
  }
  const std::string why = difference(from, entry.tensor, tolerance.dtype);
  if (!why.empty()) return problem(fmt::format("'{}' {}", *first, why));
  prepared.changes.emplace_back([from, to = entry.tensor] { to.copy_(from); });
}

}  // namespace

void prepare_model(const NamedTensors& model, const std::map<std::string, StoredTensor>& stored,
                   const LoadTolerance& tolerance, PendingRestore& prepared) {
  std::set<std::string> used;
  for (const NamedTensors::Entry& entry : model.entries()) {
    used.insert(entry.names.begin(), entry.names.end());
    prepare_entry(entry, stored, tolerance, prepared);
  }
  if (tolerance.extra) return;
  for (const auto& [name, tensor] : stored) {
    if (used.count(name) == 0)
      prepared.problems.push_back(fmt::format("the model has no '{}'", name));
  }
}

}  // namespace muon
