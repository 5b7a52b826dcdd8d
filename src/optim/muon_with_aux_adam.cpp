#include <muon/optim/muon_with_aux_adam.hpp>

#include <muon/plan/plan.hpp>
#include <muon/plan/recipe.hpp>

#include <torch/optim/adamw.h>

namespace muon {
namespace {

std::unique_ptr<torch::optim::OptimizerOptions> keller_jordan() {
  return std::make_unique<MuonOptions>(keller_jordan_muon());
}

}  // namespace

MuonWithAuxAdam::MuonWithAuxAdam(const torch::nn::Module& model)
    : MuonWithAuxAdam(model, Recipe{}) {}
MuonWithAuxAdam::MuonWithAuxAdam(const torch::jit::Module& model)
    : MuonWithAuxAdam(model, Recipe{}) {}

MuonWithAuxAdam::MuonWithAuxAdam(const torch::nn::Module& model, double lr)
    : MuonWithAuxAdam(model, Recipe{.lr = lr}) {}
MuonWithAuxAdam::MuonWithAuxAdam(const torch::jit::Module& model, double lr)
    : MuonWithAuxAdam(model, Recipe{.lr = lr}) {}

MuonWithAuxAdam::MuonWithAuxAdam(const torch::nn::Module& model, double lr, double adamw_lr)
    : MuonWithAuxAdam(model, Recipe{.lr = lr, .adamw_lr = adamw_lr}) {}
MuonWithAuxAdam::MuonWithAuxAdam(const torch::jit::Module& model, double lr, double adamw_lr)
    : MuonWithAuxAdam(model, Recipe{.lr = lr, .adamw_lr = adamw_lr}) {}

MuonWithAuxAdam::MuonWithAuxAdam(const torch::nn::Module& model, const Recipe& recipe)
    : MuonWithAuxAdam(make_plan(model, default_rules(recipe))) {}

MuonWithAuxAdam::MuonWithAuxAdam(const torch::jit::Module& model, const Recipe& recipe)
    : MuonWithAuxAdam(make_plan(model, default_rules(recipe))) {}

MuonWithAuxAdam::MuonWithAuxAdam(const torch::nn::Module& model, const MuonOptions& muon,
                                 const torch::optim::AdamWOptions& adamw)
    : MuonWithAuxAdam(make_plan(model, default_rules(muon, adamw))) {}

MuonWithAuxAdam::MuonWithAuxAdam(const Plan& plan, Groups show)
    : GroupedOptimizer("MuonWithAuxAdam", Accepts::muon_and_adamw, plan.param_groups(),
                       keller_jordan(), show) {}

MuonWithAuxAdam::MuonWithAuxAdam(const std::vector<ParamGroup>& groups)
    : GroupedOptimizer("MuonWithAuxAdam", Accepts::muon_and_adamw, groups, keller_jordan()) {}

}  // namespace muon
