// torch::save(optimizer, ..) and torch::load(optimizer, ..). The archive holds one tensor of bytes,
// which is a safetensors file, so that every LibTorch reads what any other wrote and stored state
// has one form.
#include <muon/optim/grouped_optimizer.hpp>

#include "files/safetensors_tensors.hpp"
#include "optim/grouped_optimizer_impl.hpp"
#include "optim/optimizer_state.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/serialize/archive.h>

#include <cstring>
#include <stdexcept>

namespace muon {
namespace {

constexpr const char* archive_key = "muon_optimizer";

NamesOf names_of(const GroupedOptimizer& optimizer) {
  return [&optimizer](const at::Tensor& parameter) {
    const auto name = optimizer.name(parameter);
    return name ? std::vector<std::string>{*name} : std::vector<std::string>();
  };
}

at::Tensor to_bytes(const OptimizerState& state) {
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  for (const GroupState& group : state) {
    for (const ParameterState& parameter : group.parameters) {
      for (const auto& [name, tensor] : parameter.tensors)
        tensors.emplace_back(tensor_name(parameter, name), safetensors::packed(tensor));
    }
  }
  const safetensors::Header header =
      safetensors::header_of(tensors, {{"groups", state_json(state).dump()}});
  const std::string first = safetensors::header_bytes(header);
  const std::size_t size =
      first.size() +
      static_cast<std::size_t>(header.entries.empty() ? 0 : header.entries.back().end);
  const at::Tensor bytes = at::empty(static_cast<std::int64_t>(size), at::kByte);
  char* next = static_cast<char*>(bytes.data_ptr());
  std::memcpy(next, first.data(), first.size());
  next += first.size();
  for (const auto& [name, tensor] : tensors) {
    const std::size_t count = static_cast<std::size_t>(tensor.numel()) * tensor.element_size();
    if (count > 0) std::memcpy(next, tensor.data_ptr(), count);
    next += count;
  }
  return bytes;
}

OptimizerState from_bytes(const at::Tensor& bytes) {
  const char* const data = static_cast<const char*>(bytes.data_ptr());
  const safetensors::Contents contents =
      safetensors::read({data, static_cast<std::size_t>(bytes.numel())});
  OptimizerState state =
      state_from_json(nlohmann::ordered_json::parse(contents.header.metadata.at("groups")));
  StateTensors tensors(state);
  for (const safetensors::Entry& entry : contents.header.entries) {
    const auto type = safetensors::scalar_type_of(entry.dtype);
    if (!type) throw std::runtime_error(fmt::format("'{}' is not a parameter's state", entry.name));
    const at::Tensor tensor = at::empty(entry.shape, *type);
    if (entry.end > entry.begin)
      std::memcpy(tensor.data_ptr(), data + contents.data + entry.begin,
                  static_cast<std::size_t>(entry.end - entry.begin));
    if (!tensors.put(entry.name, tensor))
      throw std::runtime_error(fmt::format("'{}' belongs to no parameter", entry.name));
  }
  return state;
}

}  // namespace

void GroupedOptimizer::save(torch::serialize::OutputArchive& archive) const {
  archive.write(archive_key, to_bytes(state_of_optimizer(*this, names_of(*this))),
                /*is_buffer=*/true);
}

void GroupedOptimizer::load(torch::serialize::InputArchive& archive) {
  at::Tensor bytes;
  if (!archive.try_read(archive_key, bytes, /*is_buffer=*/true)) {
    throw std::runtime_error(
        fmt::format("[{}] the archive holds no state of a muon optimizer; states of LibTorch's own "
                    "optimizers are not readable across its "
                    "versions, and not here",
                    impl_->where));
  }
  PendingRestore prepared;
  try {
    const OptimizerState state = from_bytes(bytes.cpu().contiguous());
    prepare_restore({this}, state, names_of(*this), {}, StoredOptions::are_set, prepared);
  } catch (const std::exception& error) {
    throw std::runtime_error(
        fmt::format("[{}] the archive is damaged: {}", impl_->where, error.what()));
  }
  if (!prepared.problems.empty()) {
    throw std::runtime_error(
        fmt::format("[{}] the archive does not fit; nothing was changed:\n  {}", impl_->where,
                    fmt::join(prepared.problems, "\n  ")));
  }
  prepared.apply();
}

}  // namespace muon
