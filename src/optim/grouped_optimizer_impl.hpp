// The private data of a GroupedOptimizer: its parameters and groups.
#pragma once

#include <muon/optim/grouped_optimizer.hpp>

#include "kernels/workspace.hpp"
#include "optim/optimizer_groups.hpp"
#include "optim/update.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace muon {

/// The options of the one group of Groups::single. As large as torch::optim::AdamWOptions, so that
/// a host that casts to those, as LibTorch programs do, sets the learning rate and overwrites
/// nothing else.
class SingleGroupOptions : public torch::optim::OptimizerCloneableOptions<SingleGroupOptions> {
 public:
  explicit SingleGroupOptions(double lr = 0) : lr_(lr) {}
  double get_lr() const override { return lr_; }
  void set_lr(double lr) override { lr_ = lr; }

 private:
  double lr_;
  std::array<std::uint64_t, 5> unused_{};
};

struct GroupedOptimizer::Impl {
  /// What is known of one parameter, whichever group it is in.
  struct Member {
    std::optional<std::string> name;
    MatrixView view;
    std::vector<std::int64_t> sizes;  // that the blocks were computed for
    std::vector<MatrixBlock> blocks;  // empty under AdamW
  };
  /// One set of options of Groups::single and its parameters. Its learning rate is `rate` when the
  /// group's is `reference`.
  struct Part {
    std::unique_ptr<torch::optim::OptimizerOptions> options;
    std::vector<torch::Tensor> params;
    double rate = 0;
  };
  /// A parameter that has a gradient.
  struct Update {
    std::size_t group;
    torch::Tensor parameter;
    torch::Tensor gradient;
  };

  Impl(GroupedOptimizer& optimizer, std::string class_name, Accepts kinds)
      : self(optimizer), where(std::move(class_name)), accepts(kinds) {}

  std::vector<OptimizerGroup> groups();
  std::string place_of(const torch::Tensor& parameter) const;
  std::string label(const torch::Tensor& parameter, std::size_t index, std::size_t group) const;
  /// The label of a parameter whose group is to be the next.
  std::string label_in(const ParamGroup& group, std::size_t index) const;

  // what a group may hold
  void check_kind(const torch::optim::OptimizerOptions& options, std::size_t group) const;
  void check_parameter(const torch::Tensor& parameter, const std::string& label) const;
  void check_fit(const torch::Tensor& parameter, const std::string& label,
                 const MatrixView& view) const;
  void check_lists(const ParamGroup& group) const;
  Member make_member(const ParamGroup& group, std::size_t index,
                     const torch::optim::OptimizerOptions& options) const;
  [[noreturn]] void refuse_duplicate(const torch::Tensor& parameter,
                                     const std::string& label) const;
  void add(const ParamGroup& group);
  void show_as_single();
  void take_rates_of_parts();
  /// Why `tensor` cannot take the place of `parameter`, whose name is `name`; empty if it can.
  std::string why_not_replaced(const torch::Tensor& parameter, const std::string& name,
                               const torch::Tensor& tensor) const;
  void replace(const std::map<const c10::TensorImpl*, torch::Tensor>& replaced);

  // a step
  void check_unchanged() const;
  void refresh_members(const OptimizerGroup& group);
  void check_state(const OptimizerGroup& group, std::size_t number) const;
  std::vector<Update> collect(const std::vector<OptimizerGroup>& groups) const;
  bool gradients_are_finite(const std::vector<Update>& updates) const;
  void apply(const std::vector<OptimizerGroup>& groups, const std::vector<Update>& updates);

  GroupedOptimizer& self;
  std::string where;
  Accepts accepts;
  std::unordered_map<const c10::TensorImpl*, Member> members;
  // the parameters of each group, as add_param_group took them
  std::vector<std::vector<const c10::TensorImpl*>> order;
  std::vector<Part> parts;  // of Groups::single
  // the learning rate of its one group that goes with the parts' rates
  double reference = 1;
  NonFiniteGradient nonfinite = NonFiniteGradient::error;
  std::int64_t skipped_steps = 0;
  kernels::Workspace workspace;  // kept from one step to the next
};

}  // namespace muon
