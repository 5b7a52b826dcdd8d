#include "plan/duplicate_check.hpp"

#include <ATen/core/Tensor.h>
#include <fmt/format.h>

#include <cstdint>
#include <iterator>

namespace muon {
namespace {

/// The memory of a tensor's values: from the first byte to one past the last.
struct Extent {
  const char* first;
  const char* end;
};

Extent extent_of(const at::Tensor& tensor) {
  std::int64_t span = 1;
  for (std::int64_t d = 0; d < tensor.dim(); ++d) span += (tensor.size(d) - 1) * tensor.stride(d);
  const auto* first = static_cast<const char*>(tensor.data_ptr());
  return {first, first + span * static_cast<std::int64_t>(tensor.element_size())};
}

}  // namespace

void DuplicateCheck::check(const Parameter& p, std::vector<std::string>& errors) {
  add_name(p.name, errors);
  for (const std::string& alias : p.aliases) add_name(alias, errors);
  if (!p.tensor.defined()) return;
  if (!tensors_.insert(p.tensor.unsafeGetTensorImpl()).second) {
    errors.push_back(
        fmt::format("'{}' is a tensor that is already in the plan under another name; describe it "
                    "once, with aliases",
                    p.name));
  } else if (p.tensor.layout() == at::kStrided && p.tensor.numel() > 0 &&
             p.tensor.is_non_overlapping_and_dense()) {
    add_memory(p, errors);
  }
}

void DuplicateCheck::add_name(const std::string& name, std::vector<std::string>& errors) {
  if (!names_.insert(name).second) errors.push_back(fmt::format("'{}' is named twice", name));
}

/// The extents so far do not overlap, so only the neighbours of a new one can overlap with it.
void DuplicateCheck::add_memory(const Parameter& p, std::vector<std::string>& errors) {
  const Extent extent = extent_of(p.tensor);
  const auto next = memory_.lower_bound(extent.end);  // keyed by first byte
  if (next != memory_.begin() && std::prev(next)->second.first > extent.first) {
    errors.push_back(
        fmt::format("'{}' and '{}' are two tensors on the same memory, which would be updated "
                    "twice a step; to tie them, register one tensor under both names",
                    std::prev(next)->second.second, p.name));
    return;
  }
  memory_.emplace(extent.first, std::make_pair(extent.end, p.name));
}

}  // namespace muon
