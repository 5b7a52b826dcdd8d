// muon/plan/rule.hpp: conditions on parameters, and what to do with those that meet them.
//
// A plan (plan.hpp) asks its rules in order; the first that matches a parameter decides who
// optimizes it.
#pragma once

#include <muon/export.hpp>
#include <muon/matrix/matrix_view.hpp>
#include <muon/plan/options.hpp>
#include <muon/plan/parameter.hpp>

#include <torch/optim/optimizer.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muon {

struct Recipe;

/// A condition on parameters and what to do with those that meet it. Made by the `by_...` functions
/// below.
///
///     muon::by_name("*embed*").use(muon::keller_jordan_adam(3e-3))
///     muon::by_name("attn.qkv.weight").view(muon::MatrixView::matrix().chunk_rows(36)).use(muon::keller_jordan_muon())
///
/// Safety   A value. `use`, `freeze`, `view`, `first` and `optional` leave the rule alone and return
///          the changed one, so their result must be kept: `rule = rule.optional();`. On a
///          temporary they move instead of copying, and a chain costs no copies.
class MUON_API Rule {
 public:
  using Predicate = std::function<bool(const Parameter&)>;

  /// Tables and errors identify the rule by its `label`.
  /// Errors   std::invalid_argument for an empty predicate.
  Rule(std::string label, Predicate matches);

  /// What the parameters get. The type of the options is the algorithm. Options are whole: nothing
  /// is inherited.
  [[nodiscard]] Rule use(const MuonOptions& options) const&;
  [[nodiscard]] Rule use(const MuonOptions& options) &&;
  [[nodiscard]] Rule use(const torch::optim::AdamWOptions& options) const&;
  [[nodiscard]] Rule use(const torch::optim::AdamWOptions& options) &&;

  /// The parameters stay as they are: in the plan, under no optimizer. Their gradients are still
  /// computed; call `requires_grad_(false)` on them to save that too.
  [[nodiscard]] Rule freeze() const&;
  [[nodiscard]] Rule freeze() &&;

  /// Which matrices the parameters hold, instead of what `describe` found. For Muon only.
  [[nodiscard]] Rule view(MatrixView view) const&;
  [[nodiscard]] Rule view(MatrixView view) &&;

  /// Only the first parameter that meets the condition, in the model's order.
  [[nodiscard]] Rule first() const&;
  [[nodiscard]] Rule first() &&;

  /// The rule may match nothing. Without this, a rule that decides no parameter is an error: it is
  /// most often a misspelled name.
  [[nodiscard]] Rule optional() const&;
  [[nodiscard]] Rule optional() &&;

 private:
  friend class Plan;
  friend class PlanBuilder;
  std::string label_;
  Predicate matches_;
  std::optional<Algorithm> algorithm_;
  std::shared_ptr<const torch::optim::OptimizerOptions> options_;
  std::optional<MatrixView> view_;
  bool first_ = false;
  bool optional_ = false;
};

/// Parameters whose whole name, or any of a tied parameter's names, matches a glob: `*` any text,
/// `?` any one character.
[[nodiscard]] MUON_API Rule by_name(std::string glob);
/// Parameters of modules of this type: "Linear", "LayerNorm", "MultiheadAttention", or a class of
/// the user's by its own name. A class derived from one of LibTorch's counts as that one.
[[nodiscard]] MUON_API Rule by_module(std::string type);
[[nodiscard]] MUON_API Rule by_role(Role role);
/// Parameters with `at_least` to `at_most` dimensions.
[[nodiscard]] MUON_API Rule by_dim(std::int64_t at_least, std::int64_t at_most = 64);
/// Parameters that meet any other condition; `label` names it in the table.
[[nodiscard]] MUON_API Rule where(std::string label, Rule::Predicate predicate);
/// All the rest. May match nothing.
[[nodiscard]] MUON_API Rule otherwise();

/// The built-in rules: embeddings, output head, everything below two dimensions, parameters without
/// values, depthwise convolutions, a stack of one, matrices with a side below 4 or with one side
/// more than 128 times the other -> AdamW; the other matrices -> Muon. They decide every real
/// parameter that `describe` finds. The options are `default_muon()` and `default_adamw()`
/// unless given; a Recipe (recipe.hpp) has them by role.
///
/// Source   K. Jordan, "Muon", 2024, https://kellerjordan.github.io/posts/muon/ (what Muon is for);
///          the bounds of the shapes: timm.optim.Muon,
///          https://github.com/huggingface/pytorch-image-models/blob/main/timm/optim/muon.py
[[nodiscard]] MUON_API std::vector<Rule> default_rules();
[[nodiscard]] MUON_API std::vector<Rule> default_rules(const MuonOptions& muon,
                                                       const torch::optim::AdamWOptions& adamw);
[[nodiscard]] MUON_API std::vector<Rule> default_rules(const Recipe& recipe);
/// A number would be PyTorch's options with that rate. Two rates are a Recipe:
/// `default_rules({.lr = 0.02, .adamw_lr = 3e-4})`.
std::vector<Rule> default_rules(double, const torch::optim::AdamWOptions&) = delete;
std::vector<Rule> default_rules(const MuonOptions&, double) = delete;
std::vector<Rule> default_rules(double, double) = delete;

/// `first`, then the built-in rules: to change a few parameters only.
///     auto rules = muon::with_default_rules(
///         {muon::by_name("value.weight").use(muon::keller_jordan_adam())});
[[nodiscard]] MUON_API std::vector<Rule> with_default_rules(std::vector<Rule> first);
[[nodiscard]] MUON_API std::vector<Rule> with_default_rules(
    std::vector<Rule> first, const MuonOptions& muon, const torch::optim::AdamWOptions& adamw);
[[nodiscard]] MUON_API std::vector<Rule> with_default_rules(std::vector<Rule> first,
                                                            const Recipe& recipe);
std::vector<Rule> with_default_rules(std::vector<Rule>, double,
                                     const torch::optim::AdamWOptions&) = delete;
std::vector<Rule> with_default_rules(std::vector<Rule>, const MuonOptions&, double) = delete;
std::vector<Rule> with_default_rules(std::vector<Rule>, double, double) = delete;

}  // namespace muon
