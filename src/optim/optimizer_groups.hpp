// The sets of options of an optimizer and their parameters, for this library's optimizers, however
// they present their groups, and for LibTorch's AdamW.
#pragma once

#include <muon/optim/grouped_optimizer.hpp>

#include <string>
#include <vector>

namespace muon {

/// Parameters that are updated by one algorithm with one set of options.
struct OptimizerGroup {
  torch::optim::OptimizerOptions* options;
  std::vector<torch::Tensor>* params;
};

/// What a parameter without a name is called: "parameter 3 of group 0".
std::string place_text(std::size_t index, std::size_t group);

class GroupAccess {
 public:
  /// The optimizer's param_groups(); for Groups::single the sets of options that its one group
  /// consists of, with the learning rates that follow from the group's.
  static std::vector<OptimizerGroup> groups(torch::optim::Optimizer& optimizer);
  /// The result must not be modified.
  static std::vector<OptimizerGroup> groups(const torch::optim::Optimizer& optimizer);

  /// Must be called after the options of these groups were modified: it updates the one group of
  /// Groups::single.
  static void options_were_written(torch::optim::Optimizer& optimizer,
                                   const std::vector<OptimizerGroup>& written);
};

}  // namespace muon
