#include "state/python/python_optimizer.hpp"

#include "matrix/shape_text.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <utility>

namespace muon {

using Json = nlohmann::ordered_json;
using pickle::Value;
using Kind = Value::Kind;
using Sizes = std::vector<std::int64_t>;

PythonOptimizer::PythonOptimizer(const PythonFile& file, const PythonOptimizerOptions& options)
    : file_(file), options_(options) {
  const Value& root = file_.at(options.key);
  const Value* const groups = get(root, "param_groups");
  const Value* const state = get(root, "state");
  if (groups == nullptr || state == nullptr || !groups->is(Kind::list) || !state->is(Kind::dict)) {
    file_.fail(options.key.empty()
                   ? "holds no optimizer's state_dict (a dict of state and param_groups); give the "
                     "key under which it lies"
                   : fmt::format("holds no optimizer's state_dict under '{}'", options.key));
  }
  const auto& states = file_.document().items(*state);
  for (std::size_t i = 0; i < states.size(); i += 2) {
    if (states[i].is(Kind::integer) && states[i + 1].is(Kind::dict))
      states_[states[i].integer] = &states[i + 1];
  }
  for (const Value& dict : file_.document().items(*groups))
    groups_.push_back({&dict, algorithm_of_group(dict)});
}

bool PythonOptimizer::is_true(const Value& dict, std::string_view key) const {
  const Value* const value = get(dict, key);
  return value != nullptr && value->is(Kind::boolean) && value->integer != 0;
}

Algorithm PythonOptimizer::algorithm_of_group(const Value& dict) const {
  if (!dict.is(Kind::dict) || get(dict, "params") == nullptr)
    file_.fail("has a group that is no dict with params");
  if (is_true(dict, "maximize"))
    file_.fail("has a group with maximize=True, which is not supported");
  if (get(dict, "use_muon") != nullptr)
    return is_true(dict, "use_muon") ? Algorithm::muon : Algorithm::adamw;
  if (get(dict, "ns_steps") != nullptr || get(dict, "ns_coefficients") != nullptr)
    return Algorithm::muon;
  if (get(dict, "betas") != nullptr) {
    const Value* const decoupled = get(dict, "decoupled_weight_decay");
    const Value* const decay = get(dict, "weight_decay");
    if (decoupled != nullptr && decoupled->integer == 0 && decay != nullptr && decay->number() != 0)
      file_.fail(
          "is of torch.optim.Adam with a weight decay that goes into the gradient; AdamW's does "
          "not");
    return Algorithm::adamw;
  }
  if (get(dict, "momentum") != nullptr && options_.momentum_convention) return Algorithm::muon;
  file_.fail(
      "has a group that is neither torch.optim.Muon's, AdamW's nor MuonWithAuxAdam's (no use_muon, "
      "ns_steps or betas)");
}

std::vector<PythonOptimizer::Parameter> PythonOptimizer::parameters(Algorithm algorithm) const {
  std::vector<Parameter> result;
  std::size_t count = 0;  // over all groups: the index into options_.names
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const Value& params = *get(*groups_[g].dict, "params");
    const Value* const names = get(*groups_[g].dict, "param_names");
    if (!params.is(Kind::list)) file_.fail("has a group whose params are no list");
    const auto& numbers = file_.document().items(params);
    for (std::size_t i = 0; i < numbers.size(); ++i, ++count) {
      if (!numbers[i].is(Kind::integer)) file_.fail("has a group whose params are no numbers");
      const auto state = states_.find(numbers[i].integer);
      Parameter parameter{g, "", state == states_.end() ? nullptr : state->second};
      if (!options_.names.empty()) {
        if (count < options_.names.size()) parameter.name = options_.names[count];
      } else if (names != nullptr && names->is(Kind::list) &&
                 file_.document().items(*names).size() == numbers.size()) {
        parameter.name = file_.document().items(*names)[i].text;
      }
      if (groups_[g].algorithm == algorithm) result.push_back(std::move(parameter));
    }
  }
  if (!options_.names.empty() && options_.names.size() != count)
    file_.fail_unchanged(
        fmt::format("{} names were given for {} parameters", options_.names.size(), count));
  return result;
}

bool PythonOptimizer::is_sorted(std::size_t group) const {
  return groups_[group].algorithm == Algorithm::muon &&
         get(*groups_[group].dict, "ns_coefficients") == nullptr;
}

const Sizes* PythonOptimizer::shape_of(const Parameter& parameter) const {
  if (parameter.state == nullptr) return nullptr;
  for (const char* key : {"momentum_buffer", "exp_avg"}) {
    const Value* const value = get(*parameter.state, key);
    if (value != nullptr && value->is(Kind::tensor)) return &file_.description(*value).shape;
  }
  return nullptr;
}

MomentumConvention PythonOptimizer::convention(const Value& group) const {
  if (options_.momentum_convention) return *options_.momentum_convention;
  const bool known =
      get(group, "use_muon") != nullptr ||
      (get(group, "ns_coefficients") != nullptr && get(group, "adjust_lr_fn") != nullptr);
  if (!known) {
    file_.fail_unchanged(
        "this is not torch.optim.Muon's nor MuonWithAuxAdam's, and others keep their momentum as "
        "an average or as a sum, which "
        "differ by 1 / (1 - mu). Say which: momentum_convention");
  }
  return MomentumConvention::ema;
}

at::Tensor PythonOptimizer::steps(const Value& step, const std::string& name) const {
  const bool tensor = step.is(Kind::tensor);
  if (tensor || step.is_number()) {
    const at::Tensor count = tensor ? file_.tensor(step) : at::full({}, step.number(), at::kDouble);
    if (count.numel() == 1) return count.reshape({});  // restoring checks its value
  }
  file_.fail_unchanged(fmt::format("the step of '{}' is no number", name));
}

std::map<std::string, at::Tensor> PythonOptimizer::tensors_of(const Parameter& parameter,
                                                              const ParameterState& ours) const {
  std::map<std::string, at::Tensor> tensors;
  if (parameter.state == nullptr || file_.document().items(*parameter.state).empty())
    return tensors;
  for (const char* key : {"momentum_buffer", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"}) {
    const Value* const value = get(*parameter.state, key);
    if (value == nullptr || value->is(Kind::none)) continue;
    if (!value->is(Kind::tensor))
      file_.fail_unchanged(fmt::format("{} of '{}' is no tensor", key, ours.name));
    const Sizes& shape = file_.description(*value).shape;
    if (shape != ours.shape) {
      file_.fail_unchanged(fmt::format("{} of '{}' has shape {} there; the parameter has {}", key,
                                       ours.name, shape_text(shape), shape_text(ours.shape)));
    }
    tensors[key] = file_.tensor(*value);
  }
  const Group& group = groups_[parameter.group];
  const char* const needed = group.algorithm == Algorithm::muon ? "momentum_buffer" : "exp_avg";
  const Value* const present = get(*parameter.state, needed);
  if (tensors.count(needed) == 0 && (present == nullptr || !present->is(Kind::none))) {
    file_.fail_unchanged(fmt::format(
        "the state of '{}' has no {}; it is of an optimizer that this library does not know",
        ours.name, needed));
  }
  if (const Value* const step = get(*parameter.state, "step"))
    tensors["step"] = steps(*step, ours.name);
  const auto buffer = tensors.find("momentum_buffer");
  if (buffer != tensors.end() && convention(*group.dict) == MomentumConvention::sum) {
    const Value* const momentum = get(*group.dict, "momentum");
    if (momentum == nullptr || !momentum->is_number())
      file_.fail_unchanged("the group with the momentum as a sum does not tell its momentum");
    buffer->second = buffer->second.mul(1 - momentum->number());
  }
  return tensors;
}

std::optional<Json> PythonOptimizer::json_of(const Value& value) const {
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
      return file_.tensor(value).numel() == 1
                 ? std::optional(Json(file_.tensor(value).item().toDouble()))
                 : std::nullopt;
    default: return std::nullopt;
  }
}

Json PythonOptimizer::options_of(std::size_t group, Json ours) const {
  // a scale of this library does not go with the rule of torch.optim.Muon
  if (get(*groups_[group].dict, "adjust_lr_fn") != nullptr)
    ours.erase("match_rms_scale");  // a missing option is the default
  for (const auto& [key, value] : ours.items()) {
    const Value* const theirs = get(*groups_[group].dict, key);
    // PyTorch's default
    if (theirs != nullptr && theirs->is(Kind::none) && key == "adjust_lr_fn") value = "original";
    const auto json = theirs == nullptr ? std::nullopt : json_of(*theirs);
    if (!json) continue;
    if (key == "ns_coefficients") {  // PyTorch: one step for all
      value = json->is_array() && !json->empty() && json->front().is_array() ? *json
                                                                             : Json::array({*json});
    } else if (value.is_number_float() && json->is_number()) {
      value = json->get<double>();
    } else {
      value = *json;
    }
  }
  return ours;
}

}  // namespace muon
