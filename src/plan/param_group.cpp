#include <muon/plan/param_group.hpp>

#include <torch/optim/adamw.h>

#include <utility>

namespace muon {

using torch::optim::AdamWOptions;
using torch::optim::OptimizerOptions;

ParamGroup::ParamGroup(std::vector<torch::Tensor> params_given) : params(std::move(params_given)) {}

ParamGroup::ParamGroup(std::vector<torch::Tensor> params_given,
                       std::shared_ptr<const OptimizerOptions> options_given)
    : params(std::move(params_given)), options(std::move(options_given)) {}

ParamGroup::ParamGroup(std::vector<torch::Tensor> params_given, const MuonOptions& options_given)
    : ParamGroup(std::move(params_given), std::make_shared<MuonOptions>(options_given)) {}

ParamGroup::ParamGroup(std::vector<torch::Tensor> params_given, const AdamWOptions& options_given)
    : ParamGroup(std::move(params_given), std::make_shared<AdamWOptions>(options_given)) {}

ParamGroup::ParamGroup(const torch::optim::OptimizerParamGroup& group)
    : ParamGroup(group.params(), group.has_options() ? std::shared_ptr<const OptimizerOptions>(
                                                           group.options().clone())
                                                     : nullptr) {}

}  // namespace muon
