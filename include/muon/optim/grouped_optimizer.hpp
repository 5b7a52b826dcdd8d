// muon/optim/grouped_optimizer.hpp: what muon::Muon and muon::MuonWithAuxAdam share.
//
// A torch::optim::Optimizer whose groups keep their own options on every LibTorch and hold each
// tensor once, and whose errors name the parameters. LibTorch's schedulers and idioms work as with
// its own optimizers.
#pragma once

#include <muon/export.hpp>
#include <muon/plan/param_group.hpp>

#include <torch/optim/optimizer.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace torch::nn {
class Module;
}

namespace muon {

/// What `step` does when a gradient holds NaN or infinity. Either way it is found before any
/// momentum or parameter changes.
enum class NonFiniteGradient {
  error,      ///< throws std::runtime_error naming the parameters. The default.
  skip_step,  ///< leaves everything as it is for this step and counts it, as a gradient scaler does
  /// does not look. Saves one read of every gradient, and on CUDA the only wait of a step for the
  /// device.
  ignore,
};

/// How `param_groups()` presents the parameters.
enum class Groups {
  by_options,  ///< one group for each set of options, as LibTorch's optimizers have them
  /// one group of all parameters, whatever their algorithms, for hosts that insist on exactly one.
  /// Its learning rate is that of the first set of options that has one; the other rates keep their
  /// ratio to it.
  single,
};

/// The state of one parameter under Muon, in `state()`.
class MUON_API MuonParamState : public torch::optim::OptimizerCloneableParamState<MuonParamState> {
 public:
  /// The moving average of gradients; shape, dtype and device of the parameter.
  TORCH_ARG(torch::Tensor, momentum_buffer);
};

class MUON_API GroupedOptimizer : public torch::optim::Optimizer {
 public:
  ~GroupedOptimizer() override;

  /// Adds a group; the type of its options is its algorithm (MuonOptions, or in MuonWithAuxAdam
  /// torch::optim::AdamWOptions).
  /// Errors   std::invalid_argument, and nothing is added: a tensor that is already in a group,
  ///          undefined, complex, not of a floating type or not a leaf; under Muon also one with
  ///          fewer than two dimensions or no entries; options of another type or out of range;
  ///          views that do not fit. std::logic_error for an optimizer of Groups::single.
  /// Safety   Call it on the optimizer itself. Through a torch::optim::Optimizer& the call reaches
  ///          LibTorch's version, which from about 2.10 on replaces the options; `step` finds that
  ///          and refuses. Parameters must not overlap in memory: threads update them at the same
  ///          time.
  void add_param_group(const ParamGroup& group);

  /// Clears the gradients: undefined by default, zero with `set_to_none = false`. A zero gradient
  /// is a gradient: the parameter keeps moving by its momentum. An undefined one leaves it where it
  /// is.
  void zero_grad(bool set_to_none = true);

  /// One update of every parameter that has a gradient. A parameter without one is left alone: no
  /// decay, no momentum. Gradients are read only. Returns what `closure` returns; it is called with
  /// gradients enabled, before anything else.
  /// Errors   std::runtime_error, and nothing is changed: a sparse or complex gradient, a
  ///          non-finite one (see above), groups that were changed behind this object's back.
  ///          std::invalid_argument: options out of range, or written through a cast to another
  ///          type. std::bad_alloc: nothing is changed; on devices other than the CPU AdamW without
  ///          LibTorch's fused kernel may have been applied in part.
  torch::Tensor step(LossClosure closure = nullptr) override;

  void on_nonfinite_gradient(NonFiniteGradient action);
  /// How many steps were skipped under NonFiniteGradient::skip_step.
  [[nodiscard]] std::int64_t skipped_steps() const;

  /// The parameter's name, where it is known: from a plan, a ParamGroup or named parameters.
  [[nodiscard]] std::optional<std::string> name(const torch::Tensor& parameter) const;
  /// The name, or "parameter 3 of group 0" where none is known.
  [[nodiscard]] std::string name_of(const torch::Tensor& parameter) const;
  /// Which matrices the parameter holds.
  /// Errors   std::invalid_argument if the tensor is not one of the optimizer's parameters.
  [[nodiscard]] MatrixView view_of(const torch::Tensor& parameter) const;

  /// Adopts the parameters of `model` that have replaced those the optimizer was constructed with,
  /// for example after a submodule was reset, cloned or reassigned: each parameter of the optimizer
  /// is looked up by its name, and the tensor that the model has under that name takes its place,
  /// with its options, view and state.
  /// Errors   std::invalid_argument that lists everything that does not fit, and nothing is
  ///          changed: parameters without names (make the optimizer from a model or a plan), names
  ///          that the model does not have, other shapes, tensors that the constructor would
  ///          refuse. std::runtime_error if the groups were changed behind this object's back.
  void rebind(const torch::nn::Module& model);

  /// For torch::save(optimizer, file) and torch::load(optimizer, file): groups, all options and
  /// state, on every LibTorch the same. By name where names are known, otherwise by position.
  /// `load` restores the options too, as Python's load_state_dict does; views stay.
  /// `muon::save_checkpoint` stores model and schedule with it.
  /// Errors   std::runtime_error that lists what does not fit (names, kinds, shapes, dtypes);
  ///          nothing has changed then.
  void save(torch::serialize::OutputArchive& archive) const override;
  void load(torch::serialize::InputArchive& archive) override;

 protected:
  enum class Accepts { muon, muon_and_adamw };

  /// `where`, the class's name, begins every error message. Throws if there is no parameter at all,
  /// as Python's optimizers do.
  GroupedOptimizer(std::string where, Accepts accepts, const std::vector<ParamGroup>& groups,
                   std::unique_ptr<torch::optim::OptimizerOptions> defaults,
                   Groups show = Groups::by_options);

 private:
  friend class GroupAccess;  // for checkpoints and learning rates
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace muon
