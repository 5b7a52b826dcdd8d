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
#include <set>
#include <stdexcept>

namespace muon {
namespace {

using torch::optim::AdamWParamState;
using torch::optim::OptimizerOptions;
using torch::optim::OptimizerParamState;
using Json = nlohmann::ordered_json;

std::map<std::string, at::Tensor> tensors_of(const OptimizerParamState& state) {
  std::map<std::string, at::Tensor> tensors;
  const auto put = [&](const char* key, const at::Tensor& tensor) {
    if (tensor.defined()) tensors[key] = tensor;
  };
  if (const auto* momentum = dynamic_cast<const MuonParamState*>(&state)) {
    put("momentum_buffer", momentum->momentum_buffer());
  } else if (const auto* moments = dynamic_cast<const AdamWParamState*>(&state);
             moments != nullptr && moments->exp_avg().defined() &&
             moments->exp_avg_sq().defined()) {
    put("exp_avg", moments->exp_avg());
    put("exp_avg_sq", moments->exp_avg_sq());
    put("max_exp_avg_sq", moments->max_exp_avg_sq());
    put("step", at::full({}, moments->step(), at::kLong));
  }
  return tensors;
}

}  // namespace

std::string view_text(const torch::optim::Optimizer& optimizer, const at::Tensor& parameter,
                      const OptimizerGroup& group) {
  const auto* const ours = dynamic_cast<const GroupedOptimizer*>(&optimizer);
  const bool has_views = ours != nullptr && algorithm_of(*group.options) == Algorithm::muon;
  return has_views ? ours->view_of(parameter).to_string() : "";
}

OptimizerState state_of_optimizer(const torch::optim::Optimizer& optimizer, const NamesOf& names) {
  OptimizerState result;
  const std::vector<OptimizerGroup> groups = GroupAccess::groups(optimizer);
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const OptimizerGroup& group = groups[g];
    GroupState out{algorithm_of(*group.options), options_json(*group.options), {}};
    for (std::size_t i = 0; i < group.params->size(); ++i) {
      const at::Tensor& parameter = (*group.params)[i];
      const std::vector<std::string> known_as = names(parameter);
      ParameterState state{known_as.empty() ? place_text(i, g) : known_as.front(),
                           !known_as.empty(),
                           parameter.sizes().vec(),
                           view_text(optimizer, parameter, group),
                           {}};
      const auto known = optimizer.state().find(state_key(parameter));
      if (known != optimizer.state().end() && known->second != nullptr)
        state.tensors = tensors_of(*known->second);
      out.parameters.push_back(std::move(state));
    }
    result.push_back(std::move(out));
  }
  return result;
}

std::string tensor_name(const ParameterState& parameter, const std::string& key) {
  return parameter.name + "/" + key;
}

StateTensors::StateTensors(OptimizerState& state) {
  for (GroupState& group : state) {
    for (ParameterState& parameter : group.parameters) parameters_[parameter.name] = &parameter;
  }
}

bool StateTensors::put(const std::string& name, const at::Tensor& tensor) {
  const auto slash = name.rfind('/');
  const auto owner =
      slash == std::string::npos ? parameters_.end() : parameters_.find(name.substr(0, slash));
  if (owner == parameters_.end()) return false;
  owner->second->tensors[name.substr(slash + 1)] = tensor;
  return true;
}

Json state_json(const OptimizerState& state) {
  Json json = Json::array();
  for (const GroupState& group : state) {
    Json parameters = Json::array();
    for (const ParameterState& p : group.parameters) {
      Json parameter{{"name", p.name}, {"shape", p.shape}};
      if (!p.view.empty()) parameter["view"] = p.view;
      parameters.push_back(std::move(parameter));
    }
    json.push_back(Json{{"algorithm", to_string(group.algorithm)},
                        {"options", group.options},
                        {"parameters", std::move(parameters)}});
  }
  return json;
}

OptimizerState state_from_json(const nlohmann::ordered_json& json) {
  OptimizerState state;
  for (const auto& group : json) {
    const auto word = group.at("algorithm").get<std::string>();
    const auto algorithm = from_name<Algorithm>(word);
    if (!algorithm || *algorithm == Algorithm::frozen)
      throw std::runtime_error(fmt::format("'{}' is no algorithm of this version", word));
    GroupState out{*algorithm, group.at("options"), {}};
    for (const auto& parameter : group.at("parameters")) {
      out.parameters.push_back({parameter.at("name").get<std::string>(),
                                true,
                                parameter.at("shape").get<std::vector<std::int64_t>>(),
                                parameter.value("view", std::string()),
                                {}});
    }
    state.push_back(std::move(out));
  }
  return state;
}

}  // namespace muon
