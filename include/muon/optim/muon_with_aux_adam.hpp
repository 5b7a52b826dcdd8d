// muon/optim/muon_with_aux_adam.hpp: one optimizer for a whole model.
#pragma once

#include <muon/optim/grouped_optimizer.hpp>
#include <muon/plan/options.hpp>

#include <type_traits>
#include <vector>

namespace torch::nn {
class Module;
}
namespace torch::jit {
struct Module;
}

namespace muon {

class Plan;
struct Recipe;

/// Muon for the hidden matrices and AdamW for everything else, in one object: Keller Jordan's
/// MuonWithAuxAdam, with the factor of a convolution read from its flattened matrix. The one-line
/// form orthogonalizes by Method::automatic, on a CPU the faster and more accurate dwh2;
/// `MuonWithAuxAdam(*model, keller_jordan_muon(), keller_jordan_adam())` gives the reference's
/// numbers.
///
///     muon::MuonWithAuxAdam optimizer(*model);        // as torch::optim::AdamW(model->parameters())
///     muon::MuonWithAuxAdam optimizer(*model, 0.02);  // with Muon's learning rate
///     muon::MuonWithAuxAdam optimizer(*model, {.lr = 0.02, .adamw_lr = 3e-3, .head_lr = 1e-3});
///     muon::MuonWithAuxAdam optimizer(*model, muon::drop_in(adamw));  // AdamW's rate and decay
///     muon::MuonWithAuxAdam optimizer(muon::make_plan(*model, rules));
///
/// The AdamW update is decoupled decay, bias-corrected moments, `eps` added to the root:
/// torch.optim.AdamW's, with the state `torch::optim::AdamWParamState`. Its `amsgrad` is honoured.
///
/// Cost     One Muon step for the matrices (see muon.hpp) and, on a CPU, one pass over the rest:
///          four reads and three writes a value.
///
/// Errors   std::invalid_argument: whatever `make_plan` and `add_param_group` refuse, with the
///          parameters' names.
///
/// Safety   The optimizer shares the parameters' tensors and may outlive the model. Not
///          thread-safe.
///
/// Source   https://github.com/KellerJordan/Muon
class MUON_API MuonWithAuxAdam : public GroupedOptimizer {
 public:
  /// The built-in plan, `make_plan(model)`: default_muon() and default_adamw(), with these learning
  /// rates if they are given.
  explicit MuonWithAuxAdam(const torch::nn::Module& model);
  explicit MuonWithAuxAdam(const torch::jit::Module& model);
  MuonWithAuxAdam(const torch::nn::Module& model, double lr);
  MuonWithAuxAdam(const torch::jit::Module& model, double lr);
  MuonWithAuxAdam(const torch::nn::Module& model, double lr, double adamw_lr);
  MuonWithAuxAdam(const torch::jit::Module& model, double lr, double adamw_lr);
  /// The built-in plan with other options, `make_plan(model, default_rules(recipe))`.
  MuonWithAuxAdam(const torch::nn::Module& model, const Recipe& recipe);
  MuonWithAuxAdam(const torch::jit::Module& model, const Recipe& recipe);
  /// The built-in plan with these options for its two kinds of group.
  MuonWithAuxAdam(const torch::nn::Module& model, const MuonOptions& muon,
                  const torch::optim::AdamWOptions& adamw);
  /// A number beside options would be PyTorch's options with that rate: give two of a kind.
  MuonWithAuxAdam(const torch::nn::Module&, double, const torch::optim::AdamWOptions&) = delete;
  MuonWithAuxAdam(const torch::nn::Module&, const MuonOptions&, double) = delete;
  /// With Groups::single, all parameters are in one group and keep their own algorithms and
  /// options.
  explicit MuonWithAuxAdam(const Plan& plan, Groups show = Groups::by_options);
  /// Bare tensors have no names and no owners to decide by: pass the model, `*model`.
  MuonWithAuxAdam(const std::vector<torch::Tensor>& parameters, double lr) = delete;
  /// Groups made by hand. Each needs options, whose type says whether it is Muon's or AdamW's.
  explicit MuonWithAuxAdam(const std::vector<ParamGroup>& groups);
  template <class Group,
            std::enable_if_t<std::is_same_v<Group, torch::optim::OptimizerParamGroup>, int> = 0>
  explicit MuonWithAuxAdam(const std::vector<Group>& groups)
      : MuonWithAuxAdam(std::vector<ParamGroup>(groups.begin(), groups.end())) {}
};

}  // namespace muon
