// muon/plan/plan.hpp: who optimizes what, and why.
//
//     parameters --rules, first match wins--> Plan --> parameter groups --> an optimizer
//
// Every trainable parameter is in a plan exactly once, with complete options and the reason. A plan can be read, printed and
// stored before a single step is taken.
#pragma once

#include <muon/plan/options.hpp>
#include <muon/plan/param_group.hpp>
#include <muon/plan/parameter.hpp>

#include <torch/optim/optimizer.h>

#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muon {

/// A condition on parameters and what to do with those that meet it. Made by the `by_...` functions below.
///
///     muon::by_name("*embed*").use(muon::keller_jordan_adam(3e-3))
///     muon::by_name("attn.qkv.weight").view(muon::MatrixView::matrix().chunk_rows(36)).use(muon::keller_jordan_muon())
class Rule {
 public:
  using Predicate = std::function<bool(const Parameter&)>;

  /// `label` is how tables and errors call the rule.
  Rule(std::string label, Predicate matches);

  /// What the parameters get. The type of the options is the algorithm. Options are whole: nothing is inherited.
  Rule& use(const MuonOptions& options);
  Rule& use(const torch::optim::AdamWOptions& options);

  /// The parameters stay as they are: in the plan, under no optimizer. Their gradients are still computed; call
  /// `requires_grad_(false)` on them to save that too.
  Rule& freeze();

  /// Which matrices the parameters hold, instead of what `describe` found. Muon only.
  Rule& view(MatrixView view);

  /// The rule may match nothing. Without this, a rule that decides no parameter is an error: it is most often a misspelt name.
  Rule& optional();

 private:
  friend class Plan;
  friend class PlanBuilder;
  std::string label_;
  Predicate matches_;
  std::optional<Algorithm> algorithm_;
  std::shared_ptr<const torch::optim::OptimizerOptions> options_;
  std::optional<MatrixView> view_;
  bool optional_ = false;
};

/// The whole name, or any of a tied parameter's names, matches a glob: `*` any text, `?` any one character.
Rule by_name(std::string glob);
/// The owner's type: "Linear", "LayerNorm", "MultiheadAttention", or a class of the user's, by its own name. A class derived from
/// one of LibTorch's counts as that one.
Rule by_module(std::string type);
Rule by_role(Role role);
/// `at_least` <= number of dimensions <= `at_most`.
Rule by_dim(std::int64_t at_least, std::int64_t at_most = 64);
/// Any condition; `label` names it in the table.
Rule where(std::string label, Rule::Predicate predicate);
/// All the rest. May match nothing.
Rule otherwise();

/// The built-in rules: embeddings, output head, everything below two dimensions, depthwise convolutions and matrices with a
/// side of 1 -> AdamW; the other matrices -> Muon. Put your own in front of them to change a few parameters only.
/// The options are `default_muon()` and `keller_jordan_adam()` unless given.
/// Source   K. Jordan, "Muon", 2024, https://kellerjordan.github.io/posts/muon/ (what Muon is for)
std::vector<Rule> default_rules();
std::vector<Rule> default_rules(const MuonOptions& muon, const torch::optim::AdamWOptions& adamw);

/// `first`, then the built-in rules: to change a few parameters only.
///     auto rules = muon::with_default_rules({muon::by_name("value.weight").use(muon::keller_jordan_adam())});
std::vector<Rule> with_default_rules(std::vector<Rule> first);
std::vector<Rule> with_default_rules(std::vector<Rule> first, const MuonOptions& muon, const torch::optim::AdamWOptions& adamw);

/// One row of a plan.
struct Assignment {
  Parameter parameter;  ///< with the view that is used
  Algorithm algorithm;
  std::string rule;                                               ///< the label of the rule that decided
  std::shared_ptr<const torch::optim::OptimizerOptions> options;  ///< null when frozen
};

class Plan {
 public:
  /// Errors   std::invalid_argument that lists all of: no parameter at all; a parameter no rule matches; a rule that decides
  ///          nothing; a name or a tensor that occurs twice, or two that share memory; Muon on less than two dimensions, on an
  ///          empty, complex or integer parameter; a view that does not fit; options out of range; a rule without an action.
  Plan(std::vector<Parameter> parameters, const std::vector<Rule>& rules);

  const std::vector<Assignment>& assignments() const& { return assignments_; }
  std::vector<Assignment> assignments() && { return std::move(assignments_); }  // so that a loop over a temporary plan is safe

  /// The groups for an optimizer's constructor, with views and names: one for each distinct set of options, Muon's first. With an
  /// algorithm, only its groups.
  std::vector<ParamGroup> param_groups() const;
  std::vector<ParamGroup> param_groups(Algorithm algorithm) const;

  /// AdamW's groups for a torch::optim::AdamW beside a `muon::Muon(plan)`.
  std::vector<torch::optim::OptimizerParamGroup> adamw_groups() const;

  /// The plan as a table for people: name, shape, matrices, role, optimizer, lr, effective lr (lr times the scale rule's
  /// factor), weight decay, why; then parameters and values under each optimizer.
  std::string table() const;
  /// The same, and all options, as one JSON object.
  std::string json() const;

 private:
  friend class PlanBuilder;
  std::vector<Assignment> assignments_;
};

std::ostream& operator<<(std::ostream& out, const Plan& plan);

/// Example  muon::Plan plan = muon::make_plan(*model);
///          std::cout << plan;
///          muon::MuonWithAuxAdam optimizer(plan);
Plan make_plan(const torch::nn::Module& model);
Plan make_plan(const torch::nn::Module& model, const std::vector<Rule>& rules);
Plan make_plan(const torch::jit::Module& model);
Plan make_plan(const torch::jit::Module& model, const std::vector<Rule>& rules);

}  // namespace muon
