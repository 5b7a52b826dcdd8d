#include <muon/optim/muon.hpp>

#include <muon/plan/plan.hpp>

#include "optim/plan_names.hpp"

#include <torch/ordered_dict.h>

#include <utility>

namespace muon {
namespace {

using torch::optim::OptimizerParamGroup;
using NamedParameters = torch::OrderedDict<std::string, torch::Tensor>;

std::vector<torch::Tensor> tensors_of(const NamedParameters& named) {
  std::vector<torch::Tensor> tensors;
  for (const auto& entry : named) tensors.push_back(entry.value());
  return tensors;
}

ParameterNames names_of(const NamedParameters& named) {
  ParameterNames names;
  for (const auto& entry : named) names.emplace(entry.value().unsafeGetTensorImpl(), entry.key());
  return names;
}

}  // namespace

Muon::Muon(std::vector<torch::Tensor> parameters, MuonOptions options)
    : Muon(std::vector<OptimizerParamGroup>{OptimizerParamGroup(std::move(parameters))}, std::move(options)) {}

Muon::Muon(const std::vector<OptimizerParamGroup>& groups, MuonOptions defaults)
    : GroupedOptimizer("Muon", Accepts::muon, groups, std::make_unique<MuonOptions>(std::move(defaults))) {}

Muon::Muon(const NamedParameters& named, MuonOptions options)
    : GroupedOptimizer("Muon", Accepts::muon, {OptimizerParamGroup(tensors_of(named))},
                       std::make_unique<MuonOptions>(std::move(options)), names_of(named)) {}

Muon::Muon(const Plan& plan)
    : GroupedOptimizer("Muon", Accepts::muon, plan.param_groups(Algorithm::muon), std::make_unique<MuonOptions>(),
                       names_of(plan)) {}

}  // namespace muon
