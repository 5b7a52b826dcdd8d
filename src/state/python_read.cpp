// Python's optimizer and model state into ours.
#include <muon/state/python_state.hpp>

#include <muon/optim/options.hpp>

#include "../optim/options_json.hpp"
#include "../plan/shape_text.hpp"
#include "optimizer_state.hpp"
#include "python_file.hpp"

#include <ATen/ATen.h>
#include <ATen/MemoryOverlap.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <stdexcept>
#include <utility>

namespace muon {
namespace {

using Json = nlohmann::ordered_json;
using pickle::Value;
using Kind = Value::Kind;
using Sizes = std::vector<std::int64_t>;

/// As GroupState::algorithm has it.
const char* word(Algorithm algorithm) { return algorithm == Algorithm::muon ? "muon" : "adamw"; }

/// One group of the file.
struct Group {
  const Value* dict;
  Algorithm algorithm;
};

/// One parameter, of the file or of ours.
struct Place {
  std::size_t group;
  std::size_t index;             // in the group; in the file, the number of its state
  std::string name;              // empty where unknown
  const Value* state = nullptr;  // null before the first step
};

class Reader {
 public:
  Reader(const std::filesystem::path& path, const PythonStateOptions& options) : file_(path), options_(options) {
    const Value& root = file_.at(options.key);
    const Value* const groups = file_.document().find(root, "param_groups");
    state_ = file_.document().find(root, "state");
    if (groups == nullptr || state_ == nullptr || !groups->is(Kind::list) || !state_->is(Kind::dict)) {
      file_.fail(options.key.empty()
                     ? "holds no optimizer's state_dict (a dict of state and param_groups); give the key under which it lies"
                     : fmt::format("holds no optimizer's state_dict under '{}'", options.key));
    }
    const auto& states = file_.document().items(*state_);
    for (std::size_t i = 0; i < states.size(); i += 2) {
      if (states[i].is(Kind::integer) && states[i + 1].is(Kind::dict)) states_[states[i].integer] = &states[i + 1];
    }
    for (const Value& dict : file_.document().items(*groups)) groups_.push_back({&dict, algorithm_of_group(dict)});
  }

  void run(GroupedOptimizer& optimizer) {
    Prepared prepared;
    OptimizerState state = skeleton(optimizer);
    for (const Algorithm algorithm : {Algorithm::muon, Algorithm::adamw}) {
      if (!options_.only || *options_.only == algorithm) match(state, algorithm);
    }
    const auto names = [&](const at::Tensor& parameter) { return std::vector<std::string>{optimizer.name_of(parameter)}; };
    prepare_restore(optimizer, state, names, {.dtype = options_.allow_dtype, .options = OptionsFrom::file}, prepared);
    if (!prepared.problems.empty()) fail(fmt::format("{}", fmt::join(prepared.problems, "\n  ")));
    prepared.apply();
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    file_.fail(fmt::format("does not fit; nothing was changed:\n  {}", what));
  }

  const Value* get(const Value& dict, std::string_view key) const { return file_.document().find(dict, key); }

  bool is_true(const Value& dict, std::string_view key) const {
    const Value* const value = get(dict, key);
    return value != nullptr && value->is(Kind::boolean) && value->integer != 0;
  }

  Algorithm algorithm_of_group(const Value& dict) const {
    if (!dict.is(Kind::dict) || get(dict, "params") == nullptr) file_.fail("has a group that is no dict with params");
    if (is_true(dict, "maximize")) file_.fail("has a group with maximize=True, which is not supported");
    if (get(dict, "use_muon") != nullptr) return is_true(dict, "use_muon") ? Algorithm::muon : Algorithm::adamw;
    if (get(dict, "ns_steps") != nullptr || get(dict, "ns_coefficients") != nullptr) return Algorithm::muon;
    if (get(dict, "betas") != nullptr) {
      const Value* const decoupled = get(dict, "decoupled_weight_decay");
      const Value* const decay = get(dict, "weight_decay");
      if (decoupled != nullptr && decoupled->integer == 0 && decay != nullptr && decay->number() != 0)
        file_.fail("is of torch.optim.Adam with a weight decay that goes into the gradient; AdamW's does not");
      return Algorithm::adamw;
    }
    if (get(dict, "momentum") != nullptr && options_.momentum_convention) return Algorithm::muon;
    file_.fail("has a group that is neither torch.optim.Muon's, AdamW's nor MuonWithAuxAdam's (no use_muon, ns_steps or betas)");
  }

  /// Ours as it is: what the file does not speak of stays.
  OptimizerState skeleton(const GroupedOptimizer& optimizer) const {
    return state_of_optimizer(
        optimizer, [&](const at::Tensor& parameter) { return std::vector<std::string>{optimizer.name_of(parameter)}; });
  }

  // ---- which is which ----

  std::vector<Place> places_in_file(Algorithm algorithm) const {
    std::vector<Place> places;
    std::size_t count = 0;  // over all groups: options_.names goes by it
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      const Value& params = *get(*groups_[g].dict, "params");
      const Value* const names = get(*groups_[g].dict, "param_names");
      if (!params.is(Kind::list)) file_.fail("has a group whose params are no list");
      const auto& numbers = file_.document().items(params);
      for (std::size_t i = 0; i < numbers.size(); ++i, ++count) {
        if (!numbers[i].is(Kind::integer)) file_.fail("has a group whose params are no numbers");
        Place place{g, static_cast<std::size_t>(numbers[i].integer), "", state_of(numbers[i].integer)};
        if (!options_.names.empty()) {
          if (count < options_.names.size()) place.name = options_.names[count];
        } else if (names != nullptr && names->is(Kind::list) && file_.document().items(*names).size() == numbers.size()) {
          place.name = file_.document().items(*names)[i].text;
        }
        if (groups_[g].algorithm == algorithm) places.push_back(std::move(place));
      }
    }
    if (!options_.names.empty() && options_.names.size() != count)
      fail(fmt::format("{} names were given for {} parameters", options_.names.size(), count));
    return places;
  }

  const Value* state_of(std::int64_t number) const {
    const auto found = states_.find(number);
    return found == states_.end() ? nullptr : found->second;
  }

  static std::vector<Place> places_here(const OptimizerState& state, Algorithm algorithm) {
    std::vector<Place> places;
    for (std::size_t g = 0; g < state.size(); ++g) {
      if (state[g].algorithm != word(algorithm)) continue;
      for (std::size_t i = 0; i < state[g].parameters.size(); ++i) places.push_back({g, i, state[g].parameters[i].name});
    }
    return places;
  }

  /// The shape of the state; none before the first step.
  const Sizes* shape_of(const Place& place) const {
    if (place.state == nullptr) return nullptr;
    for (const char* key : {"momentum_buffer", "exp_avg"}) {
      const Value* const value = get(*place.state, key);
      if (value != nullptr && value->is(Kind::tensor)) return &file_.description(*value).shape;
    }
    return nullptr;
  }

  void match(OptimizerState& state, Algorithm algorithm) {
    std::vector<Place> theirs = places_in_file(algorithm);
    std::vector<Place> ours = places_here(state, algorithm);
    if (theirs.empty() && ours.empty()) return;
    if (theirs.size() != ours.size()) {
      fail(fmt::format("the file has {} parameters under {}, and here are {}{}", theirs.size(), to_string(algorithm), ours.size(),
                       options_.only ? "" : "; Python's two optimizers have a file each: see `only`"));
    }
    const bool named = std::all_of(theirs.begin(), theirs.end(), [](const Place& p) { return !p.name.empty(); }) &&
                       std::any_of(ours.begin(), ours.end(), [](const Place& p) { return !p.name.starts_with("parameter "); });
    if (!named && !options_.names.empty())
      fail("names were given, and the parameters here have none: make the optimizer from a plan, or leave the names out");
    if (named) {
      by_name(theirs, ours);
    } else {
      by_place(state, theirs, ours);
    }
    for (std::size_t i = 0; i < ours.size(); ++i) take(state, theirs[i], ours[i]);
    for (std::size_t g = 0; g < state.size(); ++g) take_options(state[g], g, theirs, ours);
  }

  /// Puts ours into the order of theirs.
  void by_name(const std::vector<Place>& theirs, std::vector<Place>& ours) const {
    std::map<std::string_view, const Place*> known;
    for (const Place& own : ours) known.emplace(own.name, &own);
    std::vector<Place> ordered;
    std::vector<std::string> missing;
    for (const Place& place : theirs) {
      const auto found = known.find(place.name);
      if (found == known.end()) {
        missing.push_back(place.name);
      } else if (found->second == nullptr) {
        fail(fmt::format("the name '{}' occurs twice", place.name));
      } else {
        ordered.push_back(*std::exchange(found->second, nullptr));
      }
    }
    if (!missing.empty()) fail(fmt::format("no parameter here is called '{}'", fmt::join(missing, "', '")));
    ours = std::move(ordered);
  }

  bool fits(const OptimizerState& state, const std::vector<Place>& theirs, const std::vector<Place>& ours) const {
    for (std::size_t i = 0; i < ours.size(); ++i) {
      const Sizes* const shape = shape_of(theirs[i]);
      if (shape != nullptr && *shape != state[ours[i].group].parameters[ours[i].index].shape) return false;
    }
    return true;
  }

  void by_place(const OptimizerState& state, const std::vector<Place>& theirs, std::vector<Place>& ours) const {
    if (fits(state, theirs, ours)) return;
    // MuonWithAuxAdam sorts each Muon group by size, the largest first
    std::vector<Place> sorted = ours;
    const auto shape = [&](const Place& place) -> const Sizes& { return state[place.group].parameters[place.index].shape; };
    std::stable_sort(sorted.begin(), sorted.end(), [&](const Place& a, const Place& b) { return shape(a) > shape(b); });
    if (groups_[theirs.front().group].algorithm == Algorithm::muon && fits(state, theirs, sorted)) {
      ours = std::move(sorted);
      return;
    }
    std::vector<std::string> differences;
    for (std::size_t i = 0; i < ours.size() && differences.size() < 8; ++i) {
      const Sizes* const there = shape_of(theirs[i]);
      if (there != nullptr && *there != shape(ours[i]))
        differences.push_back(fmt::format("number {} has shape {} there and {} here ('{}')", i, shape_text(*there),
                                          shape_text(shape(ours[i])), ours[i].name));
    }
    fail(fmt::format("{}", fmt::join(differences, "\n  ")));
  }

  // ---- values ----

  MomentumConvention convention(const Value& group) const {
    if (options_.momentum_convention) return *options_.momentum_convention;
    const bool known =
        get(group, "use_muon") != nullptr || (get(group, "ns_coefficients") != nullptr && get(group, "adjust_lr_fn") != nullptr);
    if (!known) {
      fail(
          "this is not torch.optim.Muon's nor MuonWithAuxAdam's, and others keep their momentum as an average or as a sum, which "
          "differ by 1 / (1 - mu). Say which: momentum_convention");
    }
    return MomentumConvention::ema;
  }

  void take(OptimizerState& state, const Place& from, const Place& to) const {
    ParameterState& parameter = state[to.group].parameters[to.index];
    parameter.tensors.clear();
    if (from.state == nullptr || file_.document().items(*from.state).empty()) return;
    const std::string needed = groups_[from.group].algorithm == Algorithm::muon ? "momentum_buffer" : "exp_avg";
    for (const char* key : {"momentum_buffer", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"}) {
      const Value* const value = get(*from.state, key);
      if (value == nullptr || value->is(Kind::none)) continue;
      if (!value->is(Kind::tensor)) fail(fmt::format("{} of '{}' is no tensor", key, parameter.name));
      const Sizes& shape = file_.description(*value).shape;
      if (shape != parameter.shape) {
        fail(fmt::format("{} of '{}' has shape {} there; the parameter has {}", key, parameter.name, shape_text(shape),
                         shape_text(parameter.shape)));
      }
      parameter.tensors[key] = file_.tensor(*value);
    }
    const Value* const present = get(*from.state, needed);
    if (parameter.tensors.count(needed) == 0 && (present == nullptr || !present->is(Kind::none)))
      fail(fmt::format("the state of '{}' has no {}; it is of an optimizer that this library does not know", parameter.name,
                       needed));
    if (const Value* const step = get(*from.state, "step")) {
      const bool tensor = step->is(Kind::tensor);
      if (!tensor && !step->is_number()) fail(fmt::format("the step of '{}' is no number", parameter.name));
      const at::Tensor steps = tensor ? file_.tensor(*step) : at::full({}, step->number(), at::kDouble);
      if (steps.numel() != 1) fail(fmt::format("the step of '{}' is no number", parameter.name));
      parameter.tensors["step"] = steps.to(at::kLong).reshape({});
    }
    const auto buffer = parameter.tensors.find("momentum_buffer");
    if (buffer == parameter.tensors.end()) return;
    const Value& group = *groups_[from.group].dict;
    if (convention(group) == MomentumConvention::sum) {
      const Value* const momentum = get(group, "momentum");
      if (momentum == nullptr || !momentum->is_number()) fail("the group with the momentum as a sum does not tell its momentum");
      buffer->second = buffer->second.mul(1 - momentum->number());
    }
  }

  std::optional<Json> json_of(const Value& value) const {
    switch (value.kind) {
      case Kind::boolean: return Json(value.integer != 0);
      case Kind::integer: return Json(value.integer);
      case Kind::real: return Json(value.real);
      case Kind::text: return Json(value.text);
      case Kind::list:
      case Kind::tuple: {
        Json list = Json::array();
        for (const Value& item : file_.document().items(value)) {
          if (const auto json = json_of(item)) list.push_back(*json);
        }
        return list;
      }
      case Kind::tensor:
        return file_.tensor(value).numel() == 1 ? std::optional(Json(file_.tensor(value).item().toDouble())) : std::nullopt;
      default: return std::nullopt;
    }
  }

  /// The options of a group here from the one group of the file that its parameters were in.
  void take_options(GroupState& group, std::size_t g, const std::vector<Place>& theirs, const std::vector<Place>& ours) const {
    std::set<std::size_t> from;
    for (std::size_t i = 0; i < ours.size(); ++i) {
      if (ours[i].group == g) from.insert(theirs[i].group);
    }
    if (from.empty()) return;
    Json options = with_options_of(group.options, *groups_[*from.begin()].dict);
    for (const std::size_t other : from) {
      if (with_options_of(group.options, *groups_[other].dict) != options)
        fail(fmt::format("the parameters of group {} here are in groups with different options there", g));
    }
    group.options = std::move(options);
  }

  Json with_options_of(Json options, const Value& dict) const {
    for (const auto& [key, value] : options.items()) {
      const Value* const theirs = get(dict, key);
      if (theirs != nullptr && theirs->is(Kind::none) && key == "adjust_lr_fn") value = "original";  // PyTorch's default
      const auto json = theirs == nullptr ? std::nullopt : json_of(*theirs);
      if (!json) continue;
      if (key == "ns_coefficients") {  // PyTorch: one step for all
        value = json->is_array() && !json->empty() && json->front().is_array() ? *json : Json::array({*json});
      } else if (value.is_number_float() && json->is_number()) {
        value = json->get<double>();
      } else {
        value = *json;
      }
    }
    return options;
  }

  PythonFile file_;
  const PythonStateOptions& options_;
  const Value* state_ = nullptr;
  std::map<std::int64_t, const Value*> states_;
  std::vector<Group> groups_;
};

/// Without the prefix that a wrapper puts before every name.
std::string unwrapped(std::string name) {
  for (const std::string_view prefix : {"_orig_mod.", "module.", "_orig_mod."}) {
    if (name.starts_with(prefix)) name.erase(0, prefix.size());
  }
  return name;
}

}  // namespace

void load_python_optimizer(const std::filesystem::path& file, GroupedOptimizer& optimizer, const PythonStateOptions& options) {
  const c10::NoGradGuard no_grad;
  try {
    Reader(file, options).run(optimizer);
  } catch (const c10::Error& error) {
    throw std::runtime_error(fmt::format("[python_state] {}: {}", file.string(), error.what_without_backtrace()));
  }
}

std::vector<std::pair<std::string, at::Tensor>> load_python_tensors(const std::filesystem::path& path, const std::string& key) {
  const PythonFile file(path);
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  for (const auto& [name, value] : file.tensors_in(file.at(key))) tensors.emplace_back(name, file.tensor(value));
  return tensors;
}

void load_python_model(const std::filesystem::path& path, const NamedTensors& model, const PythonStateOptions& options) {
  const c10::NoGradGuard no_grad;
  const PythonFile file(path);
  const auto list = file.tensors_in(file.at(options.key));
  std::map<std::string, pickle::Value> tensors(list.begin(), list.end());
  const auto& entries = model.entries();
  const bool direct =
      std::any_of(entries.begin(), entries.end(), [&](const auto& entry) { return tensors.count(entry.names.front()) > 0; });
  if (!direct) {
    tensors.clear();
    for (const auto& [name, value] : list) tensors[unwrapped(name)] = value;
  }
  std::vector<std::string> problems;
  std::vector<std::pair<at::Tensor, at::Tensor>> changes;
  std::set<std::string> used;
  for (const NamedTensors::Entry& entry : entries) {
    auto found = tensors.end();
    for (auto name = entry.names.begin(); name != entry.names.end() && found == tensors.end(); ++name)
      found = tensors.find(*name);
    used.insert(entry.names.begin(), entry.names.end());
    if (found == tensors.end()) {
      problems.push_back(fmt::format("the file has no '{}'", entry.names.front()));
      continue;
    }
    const auto& shape = file.description(found->second).shape;
    if (entry.tensor.sizes() != shape) {
      problems.push_back(fmt::format("'{}' has shape {} in the file and {} in the model", found->first, shape_text(shape),
                                     shape_text(entry.tensor.sizes())));
      continue;
    }
    const at::Tensor stored = file.tensor(found->second);
    if (at::has_internal_overlap(entry.tensor) == at::MemOverlap::Yes) {
      problems.push_back(fmt::format("'{}' is expanded in the model: several entries share one memory", found->first));
    } else if (stored.scalar_type() != entry.tensor.scalar_type() && !options.allow_dtype) {
      problems.push_back(fmt::format("'{}' is of type {} in the file and {} in the model", found->first,
                                     c10::toString(stored.scalar_type()), c10::toString(entry.tensor.scalar_type())));
    } else {
      changes.emplace_back(entry.tensor, stored);
    }
  }
  for (const auto& [name, value] : tensors) {
    if (used.count(name) == 0) problems.push_back(fmt::format("the model has no '{}'", name));
  }
  if (!problems.empty()) file.fail(fmt::format("does not fit; nothing was changed:\n  {}", fmt::join(problems, "\n  ")));
  for (const auto& [to, from] : changes) to.copy_(from);
}

}  // namespace muon
