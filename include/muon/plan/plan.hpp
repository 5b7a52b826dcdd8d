// muon/plan/plan.hpp: who optimizes what, and why.
//
//     parameters --rules, first match wins--> Plan --> parameter groups --> an optimizer
//
// Every trainable parameter is in a plan exactly once, with complete options and the reason. A plan
// can be read, printed and stored before a single step is taken.
#pragma once

#include <muon/export.hpp>
#include <muon/plan/options.hpp>
#include <muon/plan/param_group.hpp>
#include <muon/plan/parameter.hpp>
#include <muon/plan/rule.hpp>

#include <torch/optim/optimizer.h>

#include <iosfwd>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace muon {

/// One row of a plan.
struct Assignment {
  Parameter parameter;  ///< with the view that is used
  Algorithm algorithm;
  /// the label of the rule that decided
  std::string rule;
  std::shared_ptr<const torch::optim::OptimizerOptions> options;  ///< null when frozen
};

class MUON_API Plan {
 public:
  /// Errors   std::invalid_argument that lists all of: no parameter at all; a parameter no rule
  ///          matches; a rule that decides nothing; a name or a tensor that occurs twice, or two
  ///          that share memory; Muon on less than two dimensions, on an empty, complex or integer
  ///          parameter; a view that does not fit; options out of range; a rule without an action.
  Plan(std::vector<Parameter> parameters, const std::vector<Rule>& rules);

  [[nodiscard]] const std::vector<Assignment>& assignments() const& { return assignments_; }
  /// Returned by value, so that a loop over a temporary plan is safe.
  [[nodiscard]] std::vector<Assignment> assignments() && { return std::move(assignments_); }

  /// The groups for an optimizer's constructor, with views and names: one for each distinct set of
  /// options, Muon's first. With an algorithm, only its groups.
  [[nodiscard]] std::vector<ParamGroup> param_groups() const;
  [[nodiscard]] std::vector<ParamGroup> param_groups(Algorithm algorithm) const;

  /// AdamW's groups for a torch::optim::AdamW beside a `muon::Muon(plan)`.
  [[nodiscard]] std::vector<torch::optim::OptimizerParamGroup> adamw_groups() const;

  /// The plan as a table for people: name, shape, matrices, role, optimizer, lr, effective lr (lr
  /// times the scale rule's factor), weight decay, why; then parameters and values under each
  /// optimizer.
  [[nodiscard]] std::string table() const;
  /// The same, and all options, as one JSON object.
  [[nodiscard]] std::string json() const;

 private:
  friend class PlanBuilder;
  std::vector<Assignment> assignments_;
};

MUON_API std::ostream& operator<<(std::ostream& out, const Plan& plan);

/// Example  muon::Plan plan = muon::make_plan(*model);
///          std::cout << plan;
///          muon::MuonWithAuxAdam optimizer(plan);
[[nodiscard]] MUON_API Plan make_plan(const torch::nn::Module& model);
[[nodiscard]] MUON_API Plan make_plan(const torch::nn::Module& model,
                                      const std::vector<Rule>& rules);
[[nodiscard]] MUON_API Plan make_plan(const torch::jit::Module& model);
[[nodiscard]] MUON_API Plan make_plan(const torch::jit::Module& model,
                                      const std::vector<Rule>& rules);

}  // namespace muon
