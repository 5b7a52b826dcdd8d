#include <muon/state/checkpoint.hpp>

#include <muon/state/safetensors.hpp>

#include "state/checkpoint_file.hpp"
#include "state/model_state.hpp"
#include "optim/optimizer_state.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <torch/csrc/jit/api/module.h>
#include <torch/cuda.h>
#include <torch/nn/module.h>

#include <limits>
#include <map>
#include <mutex>
#include <stdexcept>
#include <unordered_map>
#include <utility>

namespace muon {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using Tensors = std::vector<std::pair<std::string, at::Tensor>>;

NamesOf names_of(const TrainingState& training) {
  return [&training](const at::Tensor& parameter) {
    const NamedTensors::Entry* const entry = training.model.find(parameter);
    if (entry != nullptr) return entry->names;
    const auto name = training.optimizer->name(parameter);
    return name ? std::vector<std::string>{*name} : std::vector<std::string>();
  };
}

/// "cpu", "cuda:0", ... with their generators.
std::vector<std::pair<std::string, at::Generator>> generators() {
  std::vector<std::pair<std::string, at::Generator>> all{{"cpu", at::globalContext().defaultGenerator(at::kCPU)}};
  const int cuda = torch::cuda::is_available() ? static_cast<int>(torch::cuda::device_count()) : 0;
  for (int i = 0; i < cuda; ++i) {
    const at::Device device(at::kCUDA, static_cast<c10::DeviceIndex>(i));
    all.emplace_back(device.str(), at::globalContext().defaultGenerator(device));
  }
  return all;
}

at::Tensor random_state(at::Generator& generator) {
  const std::lock_guard lock(generator.mutex());
  return generator.get_state();
}

void set_random_state(at::Generator generator, const at::Tensor& state) {
  const std::lock_guard lock(generator.mutex());
  generator.set_state(state);
}

// ---- restoring ----

/// Collects everything that does not fit, and the changes that are made if all does.
class Loader {
 public:
  Loader(const Safetensors& file, const TrainingState& training, const LoadTolerance& allow)
      : file_(file), training_(training), allow_(allow) {}

  void run() {
    model();
    optimizer();
    schedule();
    random();
    if (!prepared_.problems.empty()) {
      throw std::runtime_error(fmt::format("{}", fmt::join(prepared_.problems, "\n  ")));
    }
    const c10::NoGradGuard no_grad;
    prepared_.apply();
  }

 private:
  void problem(std::string text) { prepared_.problems.push_back(std::move(text)); }

  void model() {
    if (training_.model.entries().empty()) return;  // not asked for
    std::map<std::string, StoredTensor> stored;
    for (const TensorInfo& info : file_.tensors()) {
      if (info.name.starts_with("model/"))
        stored[info.name.substr(6)] = {info.shape, [this, &info] { return file_.tensor(info.name); }};
    }
    prepare_model(training_.model, stored, {allow_.missing, allow_.extra, allow_.dtype}, prepared_);
  }

  void optimizer() {
    if (training_.optimizer == nullptr) return;
    const auto groups = file_.metadata().find("groups");
    if (groups == file_.metadata().end()) {
      if (!allow_.missing) problem("the file has no optimizer");
      return;
    }
    OptimizerState state = state_from_json(nlohmann::json::parse(groups->second));
    StateTensors tensors(state);
    for (const TensorInfo& info : file_.tensors()) {
      if (info.name.starts_with("optim/") && !tensors.put(info.name.substr(6), file_.tensor(info.name)))
        problem(fmt::format("'{}' belongs to no parameter of the file's groups", info.name));
    }
    const Tolerance tolerance{allow_.missing, allow_.extra, allow_.dtype,
                              allow_.options ? OptionsFrom::optimizer : OptionsFrom::require_equal_except_schedule};
    prepare_restore(*training_.optimizer, state, names_of(training_), tolerance, prepared_);
  }

  void schedule() {
    if (training_.schedule == nullptr) return;
    const auto stored = file_.metadata().find("schedule");
    if (stored == file_.metadata().end()) {
      if (!allow_.missing) problem("the file has no schedule");
      return;
    }
    const auto json = nlohmann::json::parse(stored->second);
    const auto step = json.at("step").get<std::int64_t>();
    const auto initial = json.at("initial_lr").get<std::vector<double>>();
    if (!allow_.options) check_initial_rates(initial);
    if (step < 0 || step > std::numeric_limits<unsigned>::max()) return problem(fmt::format("its schedule is at step {}", step));
    try {
      (void)training_.schedule->rates(step);
    } catch (const std::exception& error) {
      return problem(fmt::format("at step {} of the schedule: {}", step, error.what()));
    }
    prepared_.changes.emplace_back([schedule = training_.schedule, step] { schedule->set_step(step); });
  }

  /// The stored rates go by the file's groups, which parameters lead to; groups may have been put in another order.
  void check_initial_rates(const std::vector<double>& stored) {
    const std::vector<double>& mine = training_.schedule->initial_rates();
    std::vector<double> theirs = stored;
    if (training_.optimizer != nullptr && file_.metadata().count("groups") > 0) {
      std::map<std::string, std::size_t> group_of;
      const OptimizerState state = state_from_json(nlohmann::json::parse(file_.metadata().at("groups")));
      for (std::size_t g = 0; g < state.size(); ++g) {
        for (const ParameterState& parameter : state[g].parameters) group_of[parameter.name] = g;
      }
      theirs = mine;  // of groups that the file does not have
      const NamesOf names = names_of(training_);
      const auto& groups = training_.optimizer->param_groups();
      for (std::size_t g = 0; g < groups.size() && g < theirs.size(); ++g) {
        for (const at::Tensor& parameter : groups[g].params()) {
          for (const std::string& name : names(parameter)) {
            const auto found = group_of.find(name);
            if (found != group_of.end() && found->second < stored.size()) theirs[g] = stored[found->second];
          }
        }
      }
    }
    if (theirs != mine)
      problem(fmt::format("the schedule began at learning rates {} and begins at {} here", fmt::join(theirs, ", "),
                          fmt::join(mine, ", ")));
  }

  void random() {
    if (!training_.random) return;
    for (auto& [name, generator] : generators()) {
      const std::string key = "random/" + name;
      if (!file_.contains(key)) {
        // what a run on a CPU never had is no loss to one that goes on with CUDA
        if (!allow_.missing && name == "cpu") problem("the file has no random state; set TrainingState::random to false");
        continue;
      }
      const at::Tensor state = file_.tensor(key).clone();
      at::Generator trial = generator.clone();
      try {
        trial.set_state(state);
      } catch (const std::exception&) {
        problem(fmt::format("'{}' is no random state of this LibTorch; set TrainingState::random to false", key));
        continue;
      }
      prepared_.changes.emplace_back([generator = generator, state] { set_random_state(generator, state); });
    }
  }

  const Safetensors& file_;
  const TrainingState& training_;
  const LoadTolerance& allow_;
  PendingRestore prepared_;
};

}  // namespace

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
  Tensors tensors;
  std::map<std::string, std::string> metadata{{"step", std::to_string(training.step)}};
  for (const NamedTensors::Entry& entry : training.model.entries())
    tensors.emplace_back("model/" + entry.names.front(), entry.tensor);
  if (training.optimizer != nullptr) {
    const OptimizerState state = state_of_optimizer(*training.optimizer, names_of(training));
    for (const GroupState& group : state) {
      for (const ParameterState& parameter : group.parameters) {
        for (const auto& [key, tensor] : parameter.tensors) tensors.emplace_back("optim/" + tensor_name(parameter, key), tensor);
      }
    }
    metadata["groups"] = state_json(state).dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  if (training.schedule != nullptr) {
    metadata["schedule"] =
        Json{{"step", training.schedule->step_count()}, {"initial_lr", training.schedule->initial_rates()}}.dump();
  }
  if (training.random) {
    for (auto& [name, generator] : generators()) tensors.emplace_back("random/" + name, random_state(generator));
  }
  for (const auto& [key, text] : training.notes) metadata["note/" + key] = text;
  return checkpoint::write(where, training.step, tensors, std::move(metadata), keep);
}

LoadResult load_checkpoint(const fs::path& where, const TrainingState& training, const LoadTolerance& allow) {
  const fs::path path = checkpoint::newest(where);
  const Safetensors file = checkpoint::open(path, /*verify=*/true);
  const CheckpointSummary summary = checkpoint::summary(path, file);
  try {
    Loader(file, training, allow).run();
  } catch (const nlohmann::json::exception& error) {
    throw std::runtime_error(
        fmt::format("[checkpoint] {}: its metadata is not what this library writes: {}", path.string(), error.what()));
  } catch (const c10::Error& error) {
    throw std::runtime_error(fmt::format("[checkpoint] {}: {}", path.string(), error.what_without_backtrace()));
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(
        fmt::format("[checkpoint] {} does not fit; nothing was changed:\n  {}", path.string(), error.what()));
  }
  return {path, summary.step, summary.notes};
}

CheckpointSummary inspect_checkpoint(const fs::path& file, bool verify) {
  return checkpoint::summary(file, checkpoint::open(file, verify));
}

}  // namespace muon
