// muon/optim/grouped_optimizer.hpp: what muon::Muon and muon::MuonWithAuxAdam share.
//
// A torch::optim::Optimizer whose groups keep their own options on every LibTorch, hold each tensor once, and are called by
// name in errors. Schedulers and habits work as with LibTorch's own optimizers.
#pragma once

#include <torch/optim/optimizer.h>

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace muon {

class MuonOptions;
namespace kernels {
class Workspace;
}

/// What `step` does when a gradient holds NaN or infinity. Either way it is found before any momentum or parameter changes.
enum class NonFiniteGradient {
  error,      ///< throws std::runtime_error naming the parameters. The default.
  skip_step,  ///< leaves everything as it is for this step and counts it, as a gradient scaler does
  ignore,     ///< does not look. Saves one read of every gradient, and on CUDA the only wait of a step for the device.
};

/// The state of one parameter under Muon, in `state()`.
class MuonParamState : public torch::optim::OptimizerCloneableParamState<MuonParamState> {
 public:
  /// The moving average of gradients; shape, dtype and device of the parameter.
  TORCH_ARG(torch::Tensor, momentum_buffer);
};

class GroupedOptimizer : public torch::optim::Optimizer {
 public:
  /// Adds a group; the type of its options is its algorithm (MuonOptions, or in MuonWithAuxAdam torch::optim::AdamWOptions).
  /// Errors   std::invalid_argument, and nothing is added: a tensor that is already in a group, undefined, complex, not of a
  ///          floating type or not a leaf; under Muon also one with fewer than two dimensions or no entries; options of another
  ///          type or out of range; views that do not fit.
  /// Safety   Call it on the optimizer itself. Through a torch::optim::Optimizer& the call reaches LibTorch's version, which
  ///          from about 2.10 on replaces the options; `step` finds that and refuses. Parameters must not overlap in memory:
  ///          threads update them at the same time.
  void add_param_group(const torch::optim::OptimizerParamGroup& group);

  /// Clears the gradients: undefined by default, zero with `set_to_none = false`. A zero gradient is a gradient: the parameter
  /// goes on moving by its momentum. An undefined one leaves it where it is.
  void zero_grad(bool set_to_none = true);

  /// One update of every parameter that has a gradient. A parameter without one is left alone: no decay, no momentum.
  /// Gradients are read only. Returns what `closure` returns; it is called with gradients enabled, before anything else.
  /// Errors   std::runtime_error, and nothing is changed: a sparse or complex gradient, a non-finite one (see above), groups
  ///          that were changed behind this object's back. std::invalid_argument: options out of range.
  torch::Tensor step(LossClosure closure = nullptr) override;

  void on_nonfinite_gradient(NonFiniteGradient action) { nonfinite_ = action; }
  /// How many steps were skipped under NonFiniteGradient::skip_step.
  std::int64_t skipped_steps() const { return skipped_steps_; }

  /// The parameter's name, or "parameter 3 of group 0" where none is known.
  std::string name_of(const torch::Tensor& parameter) const;

  /// For torch::save(optimizer, file) and torch::load(optimizer, file): groups, all options and state, on every LibTorch the same.
  /// By name where names are known, else by place. `load` restores the options too, as Python's load_state_dict does; views stay.
  /// `muon::save_checkpoint` stores model and schedule with it.
  /// Errors   std::runtime_error that lists what does not fit (names, kinds, shapes, dtypes); nothing has been changed then.
  void save(torch::serialize::OutputArchive& archive) const override;
  void load(torch::serialize::InputArchive& archive) override;

 protected:
  enum class Accepts { muon, muon_and_adamw };
  using Names = std::unordered_map<const c10::TensorImpl*, std::string>;

  /// `where` begins every error: the class's name. Without a single parameter it throws, as Python's optimizers do.
  GroupedOptimizer(std::string where, Accepts accepts, const std::vector<torch::optim::OptimizerParamGroup>& groups,
                   std::unique_ptr<torch::optim::OptimizerOptions> defaults, Names names = {});

 private:
  struct Update;  // a parameter that has a gradient, with its group and place

  void check_parameter(const torch::Tensor& parameter, const MuonOptions* muon, std::size_t index, std::size_t group) const;
  void check_kind(const torch::optim::OptimizerOptions& options, const std::string& group) const;
  void check_group(const torch::optim::OptimizerParamGroup& group, std::size_t number) const;
  void check_state(const torch::optim::OptimizerParamGroup& group, std::size_t number) const;
  void check_groups() const;
  std::vector<Update> collect() const;
  bool gradients_are_finite(const std::vector<Update>& updates) const;
  void apply(const std::vector<Update>& updates);

  std::string where_;
  Accepts accepts_;
  Names names_;
  std::vector<std::vector<const c10::TensorImpl*>> members_;  // of each group that came through add_param_group
  NonFiniteGradient nonfinite_ = NonFiniteGradient::error;
  std::int64_t skipped_steps_ = 0;
  std::shared_ptr<kernels::Workspace> workspace_;  // of the steps, kept from one to the next
};

}  // namespace muon
