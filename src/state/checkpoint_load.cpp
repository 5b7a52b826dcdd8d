#include "state/checkpoint_load.hpp"

#include "optim/optimizer_state.hpp"
#include "state/checkpoint_layout.hpp"
#include "state/model_state.hpp"
#include "state/random_state.hpp"
#include "state/stored_schedules.hpp"
#include "state/training_parts.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace muon::checkpoint {
namespace {

class Loader {
 public:
  Loader(const SafetensorsFile& file, const TrainingState& training, const LoadTolerance& allow)
      : file_(file), training_(training), allow_(allow), parts_(training) {}

  PendingRestore run() {
    if (const std::string* const groups = metadata(groups_key))
      stored_ = state_from_json(nlohmann::ordered_json::parse(*groups));
    model();
    if (!parts_.optimizers().empty()) optimizers();
    if (!parts_.schedules().empty()) schedules();
    if (training_.random) random();
    return std::move(prepared_);
  }

 private:
  /// What the file's schedules have for the groups of a schedule here.
  struct Match {
    std::set<std::int64_t> steps;
    std::vector<double> initial_rates;
  };

  void problem(std::string text) { prepared_.problems.push_back(std::move(text)); }

  const std::string* metadata(const char* key) const {
    const auto found = file_.metadata().find(key);
    return found == file_.metadata().end() ? nullptr : &found->second;
  }

  void model() {
    if (training_.model.entries().empty()) return;  // not asked for
    std::map<std::string, StoredTensor> stored;
    for (const TensorInfo& info : file_.tensors()) {
      if (const auto name = behind(model_prefix, info.name))
        stored[*name] = {info.shape, [this, &info] { return file_.tensor(info.name); }};
    }
    prepare_model(training_.model, stored, allow_, prepared_);
  }

  void optimizers() {
    if (!stored_) {
      if (!allow_.missing) problem("the file has no optimizer");
      return;
    }
    StateTensors tensors(*stored_);
    for (const TensorInfo& info : file_.tensors()) {
      const auto name = behind(optimizer_prefix, info.name);
      if (name && !tensors.put(*name, file_.tensor(info.name)))
        problem(fmt::format("'{}' belongs to no parameter of the file's groups", info.name));
    }
    prepare_restore(parts_.optimizers(), *stored_, parts_.names_of(), allow_,
                    StoredOptions::must_agree, prepared_);
  }

  void schedules() {
    const std::string* const text = metadata(schedules_key);
    const std::vector<StoredSchedule> stored =
        text == nullptr ? std::vector<StoredSchedule>() : schedules_from(*text);
    const auto groups = group_numbers();
    for (std::size_t s = 0; s < parts_.schedules().size(); ++s) {
      LambdaLR& schedule = *parts_.schedules()[s];
      Match match = match_by_name(schedule, stored, groups);
      if (match.steps.empty() && s < stored.size()) {  // by place
        match.steps.insert(stored[s].step);
        if (groups.empty() || !parts_.first_group_of(schedule.optimizer()))
          match.initial_rates = stored[s].initial_rates;
      }
      if (!match.steps.empty()) {
        prepare(schedule, match);
      } else if (!allow_.missing) {
        problem(s == 0 ? "the file has no schedule"
                       : fmt::format("the file has no schedule for number {} here", s));
      }
    }
  }

  /// The index of the file's group that holds each parameter, by name.
  std::map<std::string, std::size_t> group_numbers() const {
    std::map<std::string, std::size_t> numbers;
    for (std::size_t g = 0; stored_ && g < stored_->size(); ++g) {
      for (const ParameterState& parameter : (*stored_)[g].parameters) numbers[parameter.name] = g;
    }
    return numbers;
  }

  /// The stored rates belong to the file's groups, which are found by their parameters, since
  /// groups may be in another order or optimizer now. A group that the file does not have keeps its
  /// rate.
  Match match_by_name(const LambdaLR& schedule, const std::vector<StoredSchedule>& stored,
                      const std::map<std::string, std::size_t>& groups) const {
    Match match{{}, schedule.initial_rates()};
    if (!parts_.first_group_of(schedule.optimizer())) return match;
    const auto& here = schedule.optimizer().param_groups();
    for (std::size_t g = 0; g < here.size() && g < match.initial_rates.size(); ++g) {
      // the group's first parameter decides, as in an optimizer of Groups::single
      bool known = false;
      for (const at::Tensor& parameter : here[g].params()) {
        for (const std::string& name : parts_.names(parameter)) {
          const auto group = groups.find(name);
          if (group == groups.end()) continue;
          for (const StoredSchedule& one : stored) {
            if (!one.first_group || group->second < *one.first_group) continue;
            const std::size_t place = group->second - *one.first_group;
            if (place >= one.initial_rates.size()) continue;
            match.steps.insert(one.step);
            if (!known) match.initial_rates[g] = one.initial_rates[place];
            known = true;
          }
        }
      }
    }
    return match;
  }

  void prepare(LambdaLR& schedule, const Match& match) {
    const std::vector<double>& mine = schedule.initial_rates();
    if (!allow_.options && match.initial_rates != mine) {
      problem(fmt::format("the schedule began at learning rates {} and begins at {} here",
                          fmt::join(match.initial_rates, ", "), fmt::join(mine, ", ")));
    }
    if (match.steps.size() > 1)
      return problem(fmt::format("the schedules of its groups were at different steps: {}",
                                 fmt::join(match.steps, ", ")));
    const std::int64_t step = *match.steps.begin();
    if (step < 0 || step > std::numeric_limits<unsigned>::max())
      return problem(fmt::format("its schedule is at step {}", step));
    try {
      (void)schedule.rates(step);
    } catch (const std::exception& error) {
      return problem(fmt::format("at step {} of the schedule: {}", step, error.what()));
    }
    prepared_.changes.emplace_back([&schedule, step] { schedule.set_step(step); });
  }

  void random() {
    for (auto& [name, generator] : default_generators()) {
      const std::string key = prefixed(random_prefix, name);
      if (!file_.contains(key)) {
        // a run on a CPU has no CUDA state, which one that resumes on CUDA does not miss
        if (!allow_.missing && name == "cpu")
          problem("the file has no random state; set TrainingState::random to false");
        continue;
      }
      const at::Tensor state = file_.tensor(key).clone();
      if (!is_random_state(generator, state)) {
        problem(fmt::format(
            "'{}' is not a random state of this LibTorch; set TrainingState::random to false",
            key));
        continue;
      }
      prepared_.changes.emplace_back(
          [g = generator, state]() mutable { set_random_state(g, state); });
    }
  }

  const SafetensorsFile& file_;
  const TrainingState& training_;
  const LoadTolerance& allow_;
  const TrainingParts parts_;
  std::optional<OptimizerState> stored_;  // of all optimizers in the file
  PendingRestore prepared_;
};

}  // namespace

PendingRestore prepare_load(const SafetensorsFile& file, const TrainingState& training,
                            const LoadTolerance& allow) {
  return Loader(file, training, allow).run();
}

}  // namespace muon::checkpoint
