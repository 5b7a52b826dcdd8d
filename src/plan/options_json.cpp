#include "plan/options_json.hpp"

#include "plan/enum_names.hpp"

#include <fmt/format.h>
#include <torch/optim/adamw.h>

#include <exception>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

namespace muon {
namespace {

using torch::optim::AdamWOptions;
using torch::optim::OptimizerOptions;
using Json = nlohmann::json;

template <class Enum>
Enum enum_of(const Json& word) {
  if (const auto value = from_name<Enum>(word.get<std::string>())) return *value;
  throw std::runtime_error("it is unknown");
}

std::vector<NewtonSchulzStep> coefficients(const Json& json) {
  std::vector<NewtonSchulzStep> steps;
  for (const Json& step : json) {
    const auto values = step.get<std::vector<double>>();
    if (values.size() != 3) throw std::runtime_error("a step has three coefficients");
    steps.push_back({values[0], values[1], values[2]});
  }
  return steps;
}

void set(MuonOptions& o, const std::string& key, const Json& value) {
  if (key == "lr") {
    o.lr(value.get<double>());
  } else if (key == "weight_decay") {
    o.weight_decay(value.get<double>());
  } else if (key == "momentum") {
    o.momentum(value.get<double>());
  } else if (key == "nesterov") {
    o.nesterov(value.get<bool>());
  } else if (key == "ns_coefficients") {
    o.ns_coefficients(coefficients(value));
  } else if (key == "eps") {
    o.eps(value.get<double>());
  } else if (key == "ns_steps") {
    o.ns_steps(value.get<int>());
  } else if (key == "adjust_lr_fn") {
    o.adjust_lr_fn(enum_of<AdjustLr>(value));
  } else if (key == "method") {
    o.method(enum_of<Method>(value));
  } else if (key == "norm_bound") {
    o.norm_bound(enum_of<NormBound>(value));
  } else if (key == "norm_eps") {
    o.norm_eps(enum_of<NormEps>(value));
  } else if (key == "compute_dtype") {
    o.compute_dtype(enum_of<ComputeDtype>(value));
  } else if (key == "match_rms_scale") {
    o.match_rms_scale(value.get<double>());
  } else {
    throw std::runtime_error("it is unknown");
  }
}

void set(AdamWOptions& o, const std::string& key, const Json& value) {
  if (key == "lr") {
    o.lr(value.get<double>());
  } else if (key == "betas") {
    const auto betas = value.get<std::vector<double>>();
    if (betas.size() != 2) throw std::runtime_error("there are two");
    o.betas({betas[0], betas[1]});
  } else if (key == "eps") {
    o.eps(value.get<double>());
  } else if (key == "weight_decay") {
    o.weight_decay(value.get<double>());
  } else if (key == "amsgrad") {
    o.amsgrad(value.get<bool>());
  } else {
    throw std::runtime_error("it is unknown");
  }
}

template <class Options>
std::unique_ptr<OptimizerOptions> read(const Json& json) {
  auto options = std::make_unique<Options>();
  for (const auto& [key, value] : json.items()) {
    try {
      set(*options, key, value);
    } catch (const std::exception& error) {
      throw std::runtime_error(
          fmt::format("option '{}' = {}: {}", key, value.dump(), error.what()));
    }
  }
  try {
    check_options(*options, "options");
  } catch (const std::invalid_argument& error) {
    throw std::runtime_error(error.what());
  }
  return options;
}

}  // namespace

nlohmann::ordered_json options_json(const OptimizerOptions& options) {
  nlohmann::ordered_json json;
  if (const auto* o = dynamic_cast<const MuonOptions*>(&options)) {
    json["lr"] = o->lr();
    json["weight_decay"] = o->weight_decay();
    json["momentum"] = o->momentum();
    json["nesterov"] = o->nesterov();
    json["ns_coefficients"] = Json::array();
    for (const NewtonSchulzStep& s : o->ns_coefficients())
      json["ns_coefficients"].push_back({s.a, s.b, s.c});
    json["eps"] = o->eps();
    json["ns_steps"] = o->ns_steps();
    json["adjust_lr_fn"] = to_string(o->adjust_lr_fn());
    json["method"] = to_string(o->method());
    json["norm_bound"] = to_string(o->norm_bound());
    json["norm_eps"] = to_string(o->norm_eps());
    json["compute_dtype"] = to_string(o->compute_dtype());
    json["match_rms_scale"] = o->match_rms_scale();
  } else if (const auto* adamw = dynamic_cast<const AdamWOptions*>(&options)) {
    json["lr"] = adamw->lr();
    json["betas"] = {std::get<0>(adamw->betas()), std::get<1>(adamw->betas())};
    json["eps"] = adamw->eps();
    json["weight_decay"] = adamw->weight_decay();
    json["amsgrad"] = adamw->amsgrad();
  }
  return json;
}

std::unique_ptr<OptimizerOptions> options_from_json(Algorithm algorithm, const Json& json) {
  if (!json.is_object()) throw std::runtime_error("the options are not an object");
  if (algorithm == Algorithm::muon) return read<MuonOptions>(json);
  return read<AdamWOptions>(json);
}

}  // namespace muon
