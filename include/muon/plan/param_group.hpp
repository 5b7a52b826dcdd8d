// muon/plan/param_group.hpp: a parameter group with views and names, for which LibTorch's has no
// place.
#pragma once

#include <muon/export.hpp>
#include <muon/matrix/matrix_view.hpp>
#include <muon/plan/options.hpp>

#include <torch/optim/optimizer.h>

#include <memory>
#include <string>
#include <vector>

namespace muon {

/// Parameters that share options. `Plan::param_groups` makes them, and the optimizers' constructors
/// take them as well as LibTorch's own groups.
///
/// Example  muon::ParamGroup group({qkv}, muon::MuonOptions(0.02));
///          group.views = {muon::MatrixView::matrix().chunk_rows(3)};
struct MUON_API ParamGroup {
  /// Without options, the group gets the optimizer's defaults.
  explicit ParamGroup(std::vector<torch::Tensor> params);
  ParamGroup(std::vector<torch::Tensor> params,
             std::shared_ptr<const torch::optim::OptimizerOptions> options);
  ParamGroup(std::vector<torch::Tensor> params, const MuonOptions& options);
  ParamGroup(std::vector<torch::Tensor> params, const torch::optim::AdamWOptions& options);
  // implicit: wherever a ParamGroup is taken
  ParamGroup(const torch::optim::OptimizerParamGroup& group);

  std::vector<torch::Tensor> params;
  /// Whole; the type says which algorithm updates the parameters.
  std::shared_ptr<const torch::optim::OptimizerOptions> options;
  /// Which matrices the parameters hold, under Muon: none (automatic for all), one for all, or one
  /// for each in order.
  std::vector<MatrixView> views;
  /// None, or one for each in order; for errors and checkpoints.
  std::vector<std::string> names;
};

}  // namespace muon
