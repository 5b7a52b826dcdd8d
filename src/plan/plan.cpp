#include <muon/plan/plan.hpp>

#include "files/printable.hpp"
#include "matrix/shape_text.hpp"
#include "plan/muon_fit.hpp"

#include <c10/core/ScalarType.h>
#include <fmt/format.h>
#include <torch/optim/adamw.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <ostream>
#include <stdexcept>
#include <unordered_set>
#include <utility>

namespace muon {
namespace {

/// Where a tensor's values lie: from the first byte to behind the last.
struct Extent {
  const char* first;
  const char* end;
};

Extent extent_of(const at::Tensor& tensor) {
  std::int64_t span = 1;
  for (std::int64_t d = 0; d < tensor.dim(); ++d) span += (tensor.size(d) - 1) * tensor.stride(d);
  const auto* first = static_cast<const char*>(tensor.data_ptr());
  return {first, first + span * static_cast<std::int64_t>(tensor.element_size())};
}

/// Names and tensors that occur twice. Two tensors on one memory (`a.set_data(b)`) are one parameter to the network and two to an
/// optimizer.
class DuplicateCheck {
 public:
  void check(const Parameter& p, std::vector<std::string>& errors) {
    add_name(p.name, errors);
    for (const std::string& alias : p.aliases) add_name(alias, errors);
    if (!p.tensor.defined()) return;
    if (!tensors_.insert(p.tensor.unsafeGetTensorImpl()).second) {
      errors.push_back(
          fmt::format("'{}' is a tensor that is already in the plan under another name; describe it once, with aliases", p.name));
    } else if (p.tensor.layout() == at::kStrided && p.tensor.numel() > 0 && p.tensor.is_non_overlapping_and_dense()) {
      add_memory(p, errors);
    }
  }

 private:
  void add_name(const std::string& name, std::vector<std::string>& errors) {
    if (!names_.insert(name).second) errors.push_back(fmt::format("'{}' is named twice", name));
  }

  /// The extents so far do not overlap, so only the neighbours in memory can.
  void add_memory(const Parameter& p, std::vector<std::string>& errors) {
    const Extent extent = extent_of(p.tensor);
    const auto next = memory_.lower_bound(extent.end);  // keyed by first byte
    if (next != memory_.begin() && std::prev(next)->second.first > extent.first) {
      errors.push_back(
          fmt::format("'{}' and '{}' are two tensors on the same memory, which would be updated twice a step; to tie them, "
                      "register one tensor under both names",
                      std::prev(next)->second.second, p.name));
      return;
    }
    memory_.emplace(extent.first, std::make_pair(extent.end, p.name));
  }

  std::unordered_set<std::string> names_;
  std::unordered_set<const c10::TensorImpl*> tensors_;
  std::map<const char*, std::pair<const char*, std::string>> memory_;  // first byte -> end, name
};

bool same_options(const Assignment& left, const Assignment& right) {
  if (left.algorithm != right.algorithm) return false;
  if (left.options == right.options) return true;
  if (left.algorithm == Algorithm::muon) {
    return static_cast<const MuonOptions&>(*left.options) == static_cast<const MuonOptions&>(*right.options);
  }
  return static_cast<const torch::optim::AdamWOptions&>(*left.options) ==
         static_cast<const torch::optim::AdamWOptions&>(*right.options);
}

ParamGroup to_group(const std::vector<const Assignment*>& members) {
  ParamGroup group({}, members.front()->options);
  for (const Assignment* member : members) {
    const Parameter& parameter = member->parameter;
    if (!parameter.tensor.defined()) {
      throw std::invalid_argument(
          fmt::format("[Plan] '{}' has no tensor: the plan was made from names and shapes, and there is "
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
  explicit PlanBuilder(const std::vector<Rule>& rules) : rules_(rules), matched_(rules.size(), 0), decided_(rules.size(), 0) {
    for (std::size_t r = 0; r < rules.size(); ++r) check_rule(r);
  }

  Assignment decide(Parameter p) {
    duplicates_.check(p, errors_);
    const std::size_t winner = first_match(p);
    if (winner == rules_.size()) {
      problem("no rule matches '{}' ({}, {}); add one, or end the list with otherwise()", p.name, shape_text(p.shape),
              to_string(p.role));
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
      problem(matched_[r] == 0 ? "{} matches no parameter" : "{} decides nothing: earlier rules took all it matches", title(r));
    }
    for (std::string& error : errors_) error = printable(error);  // a name from a file may hold anything
    if (!errors_.empty()) throw std::invalid_argument(fmt::format("[Plan] {}", fmt::join(errors_, "\n[Plan] ")));
  }

 private:
  template <typename... Args>
  void problem(const char* format, const Args&... args) {
    errors_.push_back(fmt::format(fmt::runtime(format), args...));
  }

  std::string title(std::size_t r) const { return fmt::format("rule {} ({})", r + 1, rules_[r].label_); }

  void check_rule(std::size_t r) {
    const Rule& rule = rules_[r];
    if (!rule.algorithm_) return problem("{} says neither use() nor freeze()", title(r));
    if (!rule.options_) return;
    try {
      if (rule.algorithm_ == Algorithm::adamw) {
        return check_options(static_cast<const torch::optim::AdamWOptions&>(*rule.options_), title(r));
      }
      const auto& options = static_cast<const MuonOptions&>(*rule.options_);
      check_options(options, title(r));
    } catch (const std::invalid_argument& error) {
      errors_.push_back(error.what());
    }
  }

  /// Also counts what each rule matches, decided by it or not.
  std::size_t first_match(const Parameter& p) {
    std::size_t winner = rules_.size();
    for (std::size_t r = 0; r < rules_.size(); ++r) {
      if (!rules_[r].matches_(p)) continue;
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
  for (Parameter& parameter : parameters) assignments_.push_back(builder.decide(std::move(parameter)));
  builder.finish(assignments_);
}

std::vector<ParamGroup> Plan::param_groups(Algorithm algorithm) const {
  std::vector<std::vector<const Assignment*>> groups;
  for (const Assignment& assignment : assignments_) {
    if (assignment.algorithm != algorithm || algorithm == Algorithm::frozen) continue;
    const auto same =
        std::find_if(groups.begin(), groups.end(), [&](const auto& group) { return same_options(*group.front(), assignment); });
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
  for (ParamGroup& group : param_groups(Algorithm::adamw)) groups.emplace_back(std::move(group.params), group.options->clone());
  return groups;
}

std::ostream& operator<<(std::ostream& out, const Plan& plan) { return out << plan.table(); }

Plan make_plan(const torch::nn::Module& model) { return make_plan(model, default_rules()); }
Plan make_plan(const torch::nn::Module& model, const std::vector<Rule>& rules) { return Plan(describe(model), rules); }
Plan make_plan(const torch::jit::Module& model) { return make_plan(model, default_rules()); }
Plan make_plan(const torch::jit::Module& model, const std::vector<Rule>& rules) { return Plan(describe(model), rules); }

}  // namespace muon
