#include <muon/optim/muon.hpp>

#include <muon/plan/plan.hpp>

#include <torch/ordered_dict.h>

#include <memory>
#include <utility>

namespace muon {
namespace {

using NamedParameters = torch::OrderedDict<std::string, torch::Tensor>;

ParamGroup group_of(const NamedParameters& named) {
  ParamGroup group{std::vector<torch::Tensor>()};
  for (const auto& entry : named) {
    group.params.push_back(entry.value());
    group.names.push_back(entry.key());
  }
  return group;
}

}  // namespace

Muon::Muon(std::vector<torch::Tensor> parameters, MuonOptions options)
    : Muon(std::vector<ParamGroup>{ParamGroup(std::move(parameters))}, std::move(options)) {}

Muon::Muon(const std::vector<ParamGroup>& groups, MuonOptions defaults)
    : GroupedOptimizer("Muon", Accepts::muon, groups,
                       std::make_unique<MuonOptions>(std::move(defaults))) {}

Muon::Muon(const NamedParameters& named, MuonOptions options)
    : Muon(std::vector<ParamGroup>{group_of(named)}, std::move(options)) {}

Muon::Muon(const Plan& plan) : Muon(plan.param_groups(Algorithm::muon)) {}

}  // namespace muon
