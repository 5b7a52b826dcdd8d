#include <muon/plan/plan.hpp>

#include "files/printable.hpp"
#include "matrix/shape_text.hpp"
#include "plan/duplicate_check.hpp"
#include "plan/muon_fit.hpp"

#include <c10/core/ScalarType.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/optim/adamw.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <ostream>
#include <stdexcept>
#include <utility>

namespace muon {
namespace {

bool same_options(const Assignment& left, const Assignment& right) {
  if (left.algorithm != right.algorithm) return false;
  if (left.options == right.options) return true;
  if (left.algorithm == Algorithm::muon) {
    return static_cast<const MuonOptions&>(*left.options) ==
           static_cast<const MuonOptions&>(*right.options);
  }
  return static_cast<const torch::optim::AdamWOptions&>(*left.options) ==
         static_cast<const torch::optim::AdamWOptions&>(*right.options);
}

ParamGroup to_group(const std::vector<const Assignment*>& members) {
  ParamGroup group({}, members.front()->options);
  for (const Assignment* member : members) {
    const Parameter& parameter = member->parameter;
    if (!parameter.tensor.defined()) {
      throw std::invalid_argument(fmt::format(
          "[Plan] '{}' has no tensor: the plan was made from names and shapes, and there is "
          "nothing to optimize. Make the plan from the model.",
          parameter.name));
    }
    group.params.push_back(parameter.tensor);
    group.names.push_back(parameter.name);
    if (member->algorithm == Algorithm::muon) group.views.push_back(parameter.view);
  }
  return group;
}

}  // namespace

/// Applies rules to parameters and collects every problem, for one error.
class PlanBuilder {
 public:
  explicit PlanBuilder(const std::vector<Rule>& rules)
      : rules_(rules), matched_(rules.size(), 0), decided_(rules.size(), 0) {
    for (std::size_t r = 0; r < rules.size(); ++r) check_rule(r);
  }

  Assignment decide(Parameter p) {
    duplicates_.check(p, errors_);
    const std::size_t winner = first_match(p);
    if (winner == rules_.size()) {
      problem("no rule matches '{}' ({}, {}); add one, or end the list with otherwise()", p.name,
              shape_text(p.shape), to_string(p.role));
      return {std::move(p), Algorithm::frozen, "", nullptr};
    }
    const Rule& rule = rules_[winner];
    ++decided_[winner];
    if (rule.view_) p.view = *rule.view_;
    if (rule.algorithm_ == Algorithm::muon) {
      const auto dtype = p.tensor.defined() ? std::optional(p.tensor.scalar_type()) : std::nullopt;
      const std::string obstacle = why_not_muon(p.shape, dtype, p.view);
      if (!obstacle.empty()) problem("{}: '{}' {}", title(winner), p.name, obstacle);
    }
    return {std::move(p), rule.algorithm_.value_or(Algorithm::frozen), rule.label_, rule.options_};
  }

  void finish(const std::vector<Assignment>& assignments) {
    if (assignments.empty()) problem("there is no trainable parameter; none has requires_grad set");
    for (std::size_t r = 0; r < rules_.size(); ++r) {
      if (decided_[r] > 0 || rules_[r].optional_) continue;
      problem(matched_[r] == 0 ? "{} matches no parameter"
                               : "{} decides nothing: earlier rules took all it matches",
              title(r));
    }
    // a name from a file may hold any bytes
    for (std::string& error : errors_) error = printable(error);
    if (!errors_.empty())
      throw std::invalid_argument(fmt::format("[Plan] {}", fmt::join(errors_, "\n[Plan] ")));
  }

 private:
  template <typename... Args>
  void problem(const char* format, const Args&... args) {
    errors_.push_back(fmt::format(fmt::runtime(format), args...));
  }

  std::string title(std::size_t r) const {
    return fmt::format("rule {} ({})", r + 1, rules_[r].label_);
  }

  void check_rule(std::size_t r) {
    const Rule& rule = rules_[r];
    if (!rule.algorithm_) return problem("{} says neither use() nor freeze()", title(r));
    if (!rule.options_) return;
    try {
      if (rule.algorithm_ == Algorithm::adamw) {
        return check_options(static_cast<const torch::optim::AdamWOptions&>(*rule.options_),
                             title(r));
      }
      const auto& options = static_cast<const MuonOptions&>(*rule.options_);
      check_options(options, title(r));
    } catch (const std::invalid_argument& error) {
      errors_.push_back(error.what());
    }
  }

  /// Also counts the matches of each rule, including those that an earlier rule decides.
  std::size_t first_match(const Parameter& p) {
    std::size_t winner = rules_.size();
    for (std::size_t r = 0; r < rules_.size(); ++r) {
      if ((rules_[r].first_ && matched_[r] > 0) || !rules_[r].matches_(p)) continue;
      ++matched_[r];
      winner = std::min(winner, r);
    }
    return winner;
  }

  const std::vector<Rule>& rules_;
  std::vector<std::size_t> matched_, decided_;
  DuplicateCheck duplicates_;
  std::vector<std::string> errors_;
};

Plan::Plan(std::vector<Parameter> parameters, const std::vector<Rule>& rules) {
  PlanBuilder builder(rules);
  for (Parameter& parameter : parameters)
    assignments_.push_back(builder.decide(std::move(parameter)));
  builder.finish(assignments_);
}

std::vector<ParamGroup> Plan::param_groups(Algorithm algorithm) const {
  std::vector<std::vector<const Assignment*>> groups;
  for (const Assignment& assignment : assignments_) {
    if (assignment.algorithm != algorithm || algorithm == Algorithm::frozen) continue;
    const auto same = std::find_if(groups.begin(), groups.end(), [&](const auto& group) {
      return same_options(*group.front(), assignment);
    });
    if (same == groups.end()) {
      groups.push_back({&assignment});
    } else {
      same->push_back(&assignment);
    }
  }
  std::vector<ParamGroup> result;
  for (const auto& group : groups) result.push_back(to_group(group));
  return result;
}

std::vector<ParamGroup> Plan::param_groups() const {
  auto groups = param_groups(Algorithm::muon);
  for (ParamGroup& group : param_groups(Algorithm::adamw)) groups.push_back(std::move(group));
  return groups;
}

std::vector<torch::optim::OptimizerParamGroup> Plan::adamw_groups() const {
  std::vector<torch::optim::OptimizerParamGroup> groups;
  for (ParamGroup& group : param_groups(Algorithm::adamw))
    groups.emplace_back(std::move(group.params), group.options->clone());
  return groups;
}

std::ostream& operator<<(std::ostream& out, const Plan& plan) { return out << plan.table(); }

Plan make_plan(const torch::nn::Module& model) { return make_plan(model, default_rules()); }
Plan make_plan(const torch::nn::Module& model, const std::vector<Rule>& rules) {
  return Plan(describe(model), rules);
}
Plan make_plan(const torch::jit::Module& model) { return make_plan(model, default_rules()); }
Plan make_plan(const torch::jit::Module& model, const std::vector<Rule>& rules) {
  return Plan(describe(model), rules);
}

}  // namespace muon
