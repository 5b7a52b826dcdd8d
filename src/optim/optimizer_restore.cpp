// Restores stored state into optimizers, after checking everything.
#include "optim/optimizer_state.hpp"

#include <muon/plan/options.hpp>

#include "matrix/shape_text.hpp"
#include "optim/optimizer_groups.hpp"
#include "optim/state_check.hpp"
#include "optim/state_key.hpp"
#include "plan/enum_names.hpp"
#include "plan/options_json.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/optim/adamw.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>

namespace muon {
namespace {

using torch::optim::AdamWParamState;
using torch::optim::OptimizerOptions;
using torch::optim::OptimizerParamState;
using Json = nlohmann::ordered_json;

/// A parameter's state and the group it was in.
struct Stored {
  const GroupState* group = nullptr;
  const ParameterState* parameter = nullptr;
};

class Restore {
 public:
  Restore(const NamesOf& names, const LoadTolerance& tolerance, StoredOptions stored_options,
          PendingRestore& prepared)
      : names_(names),
        tolerance_(tolerance),
        must_agree_(stored_options == StoredOptions::must_agree),
        prepared_(prepared) {}

  void run(const std::vector<torch::optim::Optimizer*>& optimizers, const OptimizerState& state) {
    for (const GroupState& group : state) {
      for (const ParameterState& parameter : group.parameters) {
        if (!stored_.emplace(parameter.name, Stored{&group, &parameter}).second)
          problem(fmt::format("'{}' is in two groups of the file", parameter.name));
      }
    }
    for (std::size_t k = 0; k < optimizers.size(); ++k) {
      optimizer_ = optimizers[k];
      of_optimizer_ = optimizers.size() > 1 ? fmt::format(" of optimizer {}", k) : "";
      const std::vector<OptimizerGroup> groups = GroupAccess::groups(*optimizer_);
      for (std::size_t g = 0; g < groups.size(); ++g) group(groups[g], g);
      if (!(must_agree_ && tolerance_.options)) {
        prepared_.changes.emplace_back([this_optimizer = optimizer_, groups] {
          GroupAccess::options_were_written(*this_optimizer, groups);
        });
      }
    }
    if (tolerance_.extra || stored_.empty()) return;
    std::vector<std::string> rest;
    for (const auto& [name, entry] : stored_) rest.push_back(name);
    problem(fmt::format("state of parameters that the optimizer does not have: {}", listed(rest)));
  }

 private:
  void problem(std::string text) { prepared_.problems.push_back(std::move(text)); }

  /// "group 1", with several optimizers "group 1 of optimizer 0".
  std::string group_name(std::size_t g) const {
    return fmt::format("group {}{}", g, of_optimizer_);
  }

  /// "'a', 'b' and 7 more"
  static std::string listed(const std::vector<std::string>& names) {
    constexpr std::size_t most = 8;
    const std::vector<std::string> first(
        names.begin(), names.begin() + static_cast<std::ptrdiff_t>(std::min(most, names.size())));
    const std::string rest =
        names.size() > most ? fmt::format(" and {} more", names.size() - most) : "";
    return fmt::format("'{}'{}", fmt::join(first, "', '"), rest);
  }

  std::vector<std::string> names_or_place(const at::Tensor& parameter, std::size_t index,
                                          std::size_t group) const {
    std::vector<std::string> names = names_(parameter);
    if (names.empty()) names.push_back(place_text(index, group));
    return names;
  }

  Stored take(const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      const auto found = stored_.find(name);
      if (found == stored_.end()) continue;
      const Stored stored = found->second;
      stored_.erase(found);
      return stored;
    }
    return {};
  }

  void group(const OptimizerGroup& group, std::size_t g) {
    OptimizerOptions& options = *group.options;
    std::vector<std::string> missing;
    std::set<const GroupState*> from;  // in the order of addresses, used as a set alone
    const GroupState* first = nullptr;
    for (std::size_t i = 0; i < group.params->size(); ++i) {
      const at::Tensor& parameter = (*group.params)[i];
      const auto names = names_or_place(parameter, i, g);
      const Stored stored = take(names);
      if (stored.group == nullptr) {
        missing.push_back(names.front());
        forget(parameter);
        continue;
      }
      if (first == nullptr) first = stored.group;
      from.insert(stored.group);
      prepare(parameter, view_text(*optimizer_, parameter, group), options, stored);
    }
    if (!missing.empty() && !tolerance_.missing)
      problem(fmt::format("no state of {}", listed(missing)));
    if (first != nullptr) prepare_options(options, g, *first, from);
  }

  void forget(const at::Tensor& parameter) {
    prepared_.changes.emplace_back([this_optimizer = optimizer_, key = state_key(parameter)] {
      this_optimizer->state().erase(key);
    });
  }

  void prepare(const at::Tensor& parameter, const std::string& view,
               const OptimizerOptions& options, const Stored& stored) {
    const std::string& name = stored.parameter->name;
    if (stored.group->algorithm != algorithm_of(options)) {
      return problem(
          fmt::format("'{}' was under {} and is under {} now; their states do not convert", name,
                      to_string(stored.group->algorithm), to_string(algorithm_of(options))));
    }
    if (stored.parameter->shape != parameter.sizes().vec()) {
      return problem(fmt::format("'{}' has shape {} there and {} here", name,
                                 shape_text(stored.parameter->shape),
                                 shape_text(parameter.sizes())));
    }
    if (must_agree_ && !tolerance_.options && stored.parameter->view != view) {
      problem(fmt::format("'{}' was read as '{}' and is read as '{}' now", name,
                          stored.parameter->view, view));
    }
    if (stored.parameter->tensors.empty()) return forget(parameter);
    std::shared_ptr<OptimizerParamState> state =
        make_state(parameter, *stored.parameter, stored.group->algorithm == Algorithm::muon);
    if (state == nullptr) return;
    prepared_.changes.emplace_back([this_optimizer = optimizer_, key = state_key(parameter),
                                    state] { this_optimizer->state()[key] = state->clone(); });
  }

  /// Returns null and adds a problem if a tensor is missing or does not fit.
  std::shared_ptr<OptimizerParamState> make_state(const at::Tensor& parameter,
                                                  const ParameterState& stored, bool is_muon) {
    const std::size_t before = prepared_.problems.size();
    const auto get = [&](const char* key, bool needed) -> at::Tensor {
      const auto found = stored.tensors.find(key);
      if (found == stored.tensors.end()) {
        if (needed) problem(fmt::format("the state of '{}' has no {}", stored.name, key));
        return {};
      }
      const at::Tensor& tensor = found->second;
      if (tensor.sizes() != parameter.sizes()) {
        problem(fmt::format("{} of '{}' has shape {}; its parameter has {}", key, stored.name,
                            shape_text(tensor.sizes()), shape_text(parameter.sizes())));
        return {};
      }
      if (tensor.scalar_type() != parameter.scalar_type() && !tolerance_.dtype) {
        problem(fmt::format("{} of '{}' is of type {}; its parameter is of {}", key, stored.name,
                            c10::toString(tensor.scalar_type()),
                            c10::toString(parameter.scalar_type())));
        return {};
      }
      // with the parameter's strides, as a step creates it: on CUDA the choice of the kernel
      // depends on them
      const at::Tensor own =
          at::empty_like(parameter, parameter.options().requires_grad(false)).copy_(tensor);
      const std::string wrong = problem_of_state(key, own);
      if (!wrong.empty()) problem(fmt::format("{} of '{}' {}", key, stored.name, wrong));
      return own;
    };
    std::shared_ptr<OptimizerParamState> result;
    if (is_muon) {
      auto state = std::make_shared<MuonParamState>();
      state->momentum_buffer(get("momentum_buffer", true));
      result = state;
    } else {
      auto state = std::make_shared<AdamWParamState>();
      state->exp_avg(get("exp_avg", true))
          .exp_avg_sq(get("exp_avg_sq", true))
          .max_exp_avg_sq(get("max_exp_avg_sq", false));
      const auto step = stored.tensors.find("step");
      if (step == stored.tensors.end()) {
        problem(fmt::format("the state of '{}' has no step", stored.name));
      } else if (const auto count = step_count_of(step->second)) {
        state->step(*count);
      } else {
        problem(fmt::format("the step of '{}' is no number of steps; it is {}", stored.name,
                            step_text(step->second)));
      }
      result = state;
    }
    return prepared_.problems.size() == before ? result : nullptr;
  }

  void prepare_options(OptimizerOptions& options, std::size_t g, const GroupState& first,
                       const std::set<const GroupState*>& from) {
    if (first.algorithm != algorithm_of(options) || (must_agree_ && tolerance_.options)) return;
    for (const GroupState* other : from) {
      if (other->options != first.options)
        return problem(fmt::format("the parameters of {} were in groups with different options",
                                   group_name(g)));
    }
    std::shared_ptr<OptimizerOptions> stored;
    try {
      stored = options_from_json(first.algorithm, first.options);
    } catch (const std::runtime_error& error) {
      return problem(fmt::format("{}: {}", group_name(g), error.what()));
    }
    if (must_agree_) {
      const Json mine = options_json(options), theirs = options_json(*stored);
      for (const auto& [key, value] : theirs.items()) {
        if (key == "lr" || key == "momentum" || mine.at(key) == value) continue;
        problem(fmt::format("{} of {} ({}) is {} there and {} here", key, group_name(g),
                            to_string(first.algorithm), value.dump(), mine.at(key).dump()));
      }
    }
    prepared_.changes.emplace_back([&options, stored, all = !must_agree_] {
      if (auto* muon = dynamic_cast<MuonOptions*>(&options)) {
        const auto& from_file = static_cast<const MuonOptions&>(*stored);
        if (all) *muon = from_file;
        muon->lr(from_file.lr()).momentum(from_file.momentum());
      } else if (auto* adamw = dynamic_cast<torch::optim::AdamWOptions*>(&options)) {
        const auto& from_file = static_cast<const torch::optim::AdamWOptions&>(*stored);
        if (all) *adamw = from_file;
        adamw->lr(from_file.lr());
      }
    });
  }

  torch::optim::Optimizer* optimizer_ = nullptr;  // whose groups are being prepared
  std::string of_optimizer_;                      // " of optimizer 1", if there are several
  const NamesOf& names_;
  const LoadTolerance& tolerance_;
  const bool must_agree_;
  PendingRestore& prepared_;
  std::map<std::string, Stored> stored_;  // not yet taken
};

}  // namespace

void prepare_restore(const std::vector<torch::optim::Optimizer*>& optimizers,
                     const OptimizerState& state, const NamesOf& names,
                     const LoadTolerance& tolerance, StoredOptions stored_options,
                     PendingRestore& prepared) {
  Restore(names, tolerance, stored_options, prepared).run(optimizers, state);
}

}  // namespace muon
