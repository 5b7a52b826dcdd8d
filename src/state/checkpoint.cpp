#include <muon/state/checkpoint.hpp>

#include "state/checkpoint_file.hpp"
#include "state/checkpoint_folder.hpp"
#include "state/checkpoint_layout.hpp"
#include "state/checkpoint_load.hpp"
#include "state/random_state.hpp"
#include "state/stored_schedules.hpp"
#include "state/training_parts.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <torch/csrc/jit/api/module.h>
#include <torch/nn/module.h>

#include <stdexcept>
#include <utility>

namespace muon {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

NamedTensors::NamedTensors(const torch::nn::Module& model) {
  for (const auto& entry : model.named_parameters()) add(entry.key(), entry.value());
  for (const auto& entry : model.named_buffers()) add(entry.key(), entry.value());
}

NamedTensors::NamedTensors(const torch::jit::Module& model) {
  for (const auto& entry : model.named_parameters()) add(entry.name, entry.value);
  for (const auto& entry : model.named_buffers()) add(entry.name, entry.value);
}

void NamedTensors::add(const std::string& name, const at::Tensor& tensor) {
  if (!tensor.defined()) return;
  const auto [known, is_new] = index_.emplace(tensor.unsafeGetTensorImpl(), entries_.size());
  if (is_new) entries_.push_back({{}, tensor});
  entries_[known->second].names.push_back(name);
}

const NamedTensors::Entry* NamedTensors::find(const at::Tensor& tensor) const {
  const auto known = index_.find(tensor.unsafeGetTensorImpl());
  return known == index_.end() ? nullptr : &entries_[known->second];
}

fs::path save_checkpoint(const fs::path& where, const TrainingState& training, int keep) {
  using checkpoint::prefixed;
  if (training.step < 0)
    throw std::invalid_argument(fmt::format(
        "[checkpoint] the step is negative; got {}; give the number of steps taken, 0 or more",
        training.step));
  const TrainingParts parts(training);
  NamedTensorList tensors;
  std::map<std::string, std::string> metadata;
  for (const NamedTensors::Entry& entry : training.model.entries())
    tensors.emplace_back(prefixed(checkpoint::model_prefix, entry.names.front()), entry.tensor);
  if (!parts.optimizers().empty()) {
    const OptimizerState state = parts.state();
    for (const GroupState& group : state) {
      for (const ParameterState& parameter : group.parameters) {
        for (const auto& [key, tensor] : parameter.tensors)
          tensors.emplace_back(prefixed(checkpoint::optimizer_prefix, tensor_name(parameter, key)),
                               tensor);
      }
    }
    metadata[checkpoint::groups_key] =
        state_json(state).dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  if (!parts.schedules().empty()) {
    std::vector<StoredSchedule> schedules;
    for (const LambdaLR* one : parts.schedules())
      schedules.push_back(
          {one->step_count(), one->initial_rates(), parts.first_group_of(one->optimizer())});
    metadata[checkpoint::schedules_key] = schedules_text(schedules);
  }
  if (training.random) {
    for (auto& [name, generator] : default_generators())
      tensors.emplace_back(prefixed(checkpoint::random_prefix, name), random_state(generator));
  }
  for (const auto& [key, text] : training.notes)
    metadata[prefixed(checkpoint::note_prefix, key)] = text;
  return checkpoint::write(where, training.step, tensors, std::move(metadata), keep);
}

LoadResult load_checkpoint(const fs::path& where, const TrainingState& training,
                           const LoadTolerance& allow) {
  const fs::path path = checkpoint::newest(where);
  const SafetensorsFile file = checkpoint::open(path, /*verify=*/true);
  const CheckpointSummary summary = checkpoint::summary(path, file);
  const c10::NoGradGuard no_grad;
  try {
    const PendingRestore prepared = checkpoint::prepare_load(file, training, allow);
    if (!prepared.problems.empty()) {
      throw std::runtime_error(
          fmt::format("[checkpoint] {} does not fit; nothing was changed:\n  {}", path.string(),
                      fmt::join(prepared.problems, "\n  ")));
    }
    prepared.apply();
  } catch (const nlohmann::json::exception& error) {
    throw std::runtime_error(
        fmt::format("[checkpoint] {}: its metadata is not what this library writes: {}",
                    path.string(), error.what()));
  } catch (const c10::Error& error) {
    throw std::runtime_error(
        fmt::format("[checkpoint] {}: {}", path.string(), error.what_without_backtrace()));
  }
  return {path, summary.step, summary.notes};
}

CheckpointSummary inspect_checkpoint(const fs::path& file, bool verify) {
  return checkpoint::summary(file, checkpoint::open(file, verify));
}

}  // namespace muon
