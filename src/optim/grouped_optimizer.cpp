// Groups and parameters: checking, adding and looking them up. The step is in optimizer_step.cpp.
#include <muon/optim/grouped_optimizer.hpp>

#include "matrix/shape_text.hpp"
#include "optim/grouped_optimizer_impl.hpp"
#include "optim/state_key.hpp"
#include "plan/muon_fit.hpp"

#include <ATen/ATen.h>
#include <ATen/MemoryOverlap.h>
#include <c10/core/GradMode.h>
#include <c10/core/ScalarType.h>
#include <fmt/format.h>
#include <torch/nn/module.h>
#include <torch/optim/adamw.h>

#include <algorithm>
#include <map>
#include <stdexcept>
#include <unordered_set>
#include <utility>

namespace muon {

using torch::optim::AdamWOptions;
using torch::optim::OptimizerOptions;
using torch::optim::OptimizerParamGroup;

namespace {

bool is_muon(const OptimizerOptions& options) {
  return dynamic_cast<const MuonOptions*>(&options) != nullptr;
}

/// The group's view of parameter `index`.
MatrixView view_at(const ParamGroup& group, std::size_t index) {
  if (group.views.empty()) return {};
  return group.views.size() == 1 ? group.views.front() : group.views[index];
}

}  // namespace

GroupedOptimizer::GroupedOptimizer(std::string where, Accepts accepts,
                                   const std::vector<ParamGroup>& groups,
                                   std::unique_ptr<OptimizerOptions> defaults, Groups show)
    // no groups for the base class: from about LibTorch 2.10 on it would replace their options by
    // the defaults
    : Optimizer(std::vector<OptimizerParamGroup>{}, std::move(defaults)),
      impl_(std::make_unique<Impl>(*this, std::move(where), accepts)) {
  for (const ParamGroup& group : groups) impl_->add(group);
  if (impl_->members.empty())
    throw std::invalid_argument(
        fmt::format("[{}] got no parameters; give at least one", impl_->where));
  if (show == Groups::single) impl_->show_as_single();
}

GroupedOptimizer::~GroupedOptimizer() = default;

void GroupedOptimizer::on_nonfinite_gradient(NonFiniteGradient action) {
  impl_->nonfinite = action;
}
std::int64_t GroupedOptimizer::skipped_steps() const { return impl_->skipped_steps; }

std::optional<std::string> GroupedOptimizer::name(const torch::Tensor& parameter) const {
  const auto known = impl_->members.find(parameter.unsafeGetTensorImpl());
  return known == impl_->members.end() ? std::nullopt : known->second.name;
}

std::string GroupedOptimizer::name_of(const torch::Tensor& parameter) const {
  const auto known = name(parameter);
  return known ? *known : impl_->place_of(parameter);
}

MatrixView GroupedOptimizer::view_of(const torch::Tensor& parameter) const {
  const auto known = impl_->members.find(parameter.unsafeGetTensorImpl());
  if (known == impl_->members.end())
    throw std::invalid_argument(
        fmt::format("[{}] the tensor is not one of the optimizer's parameters", impl_->where));
  return known->second.view;
}

void GroupedOptimizer::add_param_group(const ParamGroup& group) {
  if (!impl_->parts.empty()) {
    throw std::logic_error(fmt::format(
        "[{}] shows all parameters as one group, to which none can be added; make it with "
        "Groups::by_options, or from a plan that has all parameters",
        impl_->where));
  }
  impl_->add(group);
}

void GroupedOptimizer::zero_grad(bool set_to_none) {
  const c10::NoGradGuard no_grad;
  for (OptimizerParamGroup& group : param_groups_) {
    for (torch::Tensor& parameter : group.params()) {
      torch::Tensor& gradient = parameter.mutable_grad();
      if (!gradient.defined()) continue;
      if (set_to_none) {
        gradient.reset();
      } else {
        if (gradient.grad_fn()) gradient = gradient.detach();  // of create_graph
        gradient.zero_();
      }
    }
  }
}

std::vector<OptimizerGroup> GroupedOptimizer::Impl::groups() {
  std::vector<OptimizerGroup> result;
  if (parts.empty()) {
    for (OptimizerParamGroup& group : self.param_groups_)
      result.push_back({&group.options(), &group.params()});
    return result;
  }
  const double scale = self.param_groups_.front().options().get_lr() / reference;
  for (Part& part : parts) {
    part.options->set_lr(part.rate * scale);
    result.push_back({part.options.get(), &part.params});
  }
  return result;
}

std::string GroupedOptimizer::Impl::place_of(const torch::Tensor& parameter) const {
  for (std::size_t g = 0; g < order.size(); ++g) {
    const auto found = std::find(order[g].begin(), order[g].end(), parameter.unsafeGetTensorImpl());
    if (found != order[g].end())
      return place_text(static_cast<std::size_t>(found - order[g].begin()), g);
  }
  return "unknown parameter";
}

std::string GroupedOptimizer::Impl::label(const torch::Tensor& parameter, std::size_t index,
                                          std::size_t group) const {
  const auto known =
      parameter.defined() ? members.find(parameter.unsafeGetTensorImpl()) : members.end();
  return known != members.end() && known->second.name ? *known->second.name
                                                      : place_text(index, group);
}

std::string GroupedOptimizer::Impl::label_in(const ParamGroup& group, std::size_t index) const {
  return group.names.empty() ? place_text(index, order.size()) : group.names[index];
}

void GroupedOptimizer::Impl::check_kind(const OptimizerOptions& options, std::size_t group) const {
  const std::string prefix = fmt::format("{}, group {}", where, group);
  if (const auto* muon = dynamic_cast<const MuonOptions*>(&options))
    return check_options(*muon, prefix);
  const auto* adamw = dynamic_cast<const AdamWOptions*>(&options);
  if (adamw != nullptr && accepts == Accepts::muon_and_adamw) return check_options(*adamw, prefix);
  throw std::invalid_argument(
      adamw != nullptr
          ? fmt::format("[{}] the options are torch::optim::AdamWOptions; give this group to "
                        "torch::optim::AdamW, or use "
                        "muon::MuonWithAuxAdam for both kinds",
                        prefix)
          : fmt::format(
                "[{}] the options are of an unknown type; use muon::MuonOptions{}", prefix,
                accepts == Accepts::muon_and_adamw ? " or torch::optim::AdamWOptions" : ""));
}

void GroupedOptimizer::Impl::check_parameter(const torch::Tensor& parameter,
                                             const std::string& label) const {
  const auto refuse = [&](const std::string& what) {
    throw std::invalid_argument(fmt::format("[{}] '{}' {}", where, label, what));
  };
  if (!parameter.defined())
    throw std::invalid_argument(fmt::format("[{}] {} is an undefined tensor", where, label));
  if (!at::isFloatingType(parameter.scalar_type()))
    refuse(fmt::format("is of type {}; a real floating type is needed",
                       c10::toString(parameter.scalar_type())));
  if (parameter.layout() != at::kStrided) refuse("is sparse; a dense tensor is needed");
  if (at::has_internal_overlap(parameter) == at::MemOverlap::Yes)
    refuse("is expanded: several entries share one memory; make it contiguous");
  if (!parameter.is_leaf())
    refuse("is not a leaf: it was computed from other tensors. Give the parameter itself");
}

void GroupedOptimizer::Impl::check_fit(const torch::Tensor& parameter, const std::string& label,
                                       const MatrixView& view) const {
  const std::string obstacle = why_not_muon(parameter.sizes(), parameter.scalar_type(), view);
  if (!obstacle.empty())
    throw std::invalid_argument(fmt::format("[{}] '{}' {}", where, label, obstacle));
}

/// Checks what the group says of itself; its parameters are checked one by one.
void GroupedOptimizer::Impl::check_lists(const ParamGroup& group) const {
  const std::size_t number = order.size(), count = group.params.size();
  if (group.options == nullptr && accepts == Accepts::muon_and_adamw) {
    throw std::invalid_argument(fmt::format(
        "[{}, group {}] has no options, and their type says which algorithm it is for; give it "
        "muon::MuonOptions or torch::optim::AdamWOptions",
        where, number));
  }
  if (group.views.size() > 1 && group.views.size() != count) {
    throw std::invalid_argument(fmt::format(
        "[{}, group {}] has {} views for {} parameters; give none, one for all, or one for each",
        where, number, group.views.size(), count));
  }
  if (!group.names.empty() && group.names.size() != count) {
    throw std::invalid_argument(
        fmt::format("[{}, group {}] has {} names for {} parameters; give none, or one for each",
                    where, number, group.names.size(), count));
  }
}

/// Checks parameter `index` of a group that is to be added, with `options`.
GroupedOptimizer::Impl::Member GroupedOptimizer::Impl::make_member(
    const ParamGroup& group, std::size_t index, const OptimizerOptions& options) const {
  const torch::Tensor& parameter = group.params[index];
  const std::string called = label_in(group, index);
  check_parameter(parameter, called);
  Member member;
  if (!group.names.empty()) member.name = group.names[index];
  if (is_muon(options)) {
    member.view = view_at(group, index);
    check_fit(parameter, called, member.view);
    member.blocks = member.view.blocks(parameter.sizes());
  }
  member.sizes = parameter.sizes().vec();
  return member;
}

void GroupedOptimizer::Impl::refuse_duplicate(const torch::Tensor& parameter,
                                              const std::string& label) const {
  const auto known = members.find(parameter.unsafeGetTensorImpl());
  throw std::invalid_argument(fmt::format(
      "[{}] '{}' is in two groups, or twice in one; it would be updated twice a step. Tied "
      "weights are one parameter: give them once",
      where, known != members.end() && known->second.name ? *known->second.name : label));
}

void GroupedOptimizer::Impl::add(const ParamGroup& group) {
  check_lists(group);
  OptimizerParamGroup added(
      group.params, group.options != nullptr ? group.options->clone() : self.defaults_->clone());
  check_kind(added.options(), order.size());
  std::unordered_map<const c10::TensorImpl*, Member> new_members;
  std::vector<const c10::TensorImpl*> new_order;
  for (std::size_t i = 0; i < group.params.size(); ++i) {
    Member member = make_member(group, i, added.options());
    const c10::TensorImpl* const key = group.params[i].unsafeGetTensorImpl();
    if (members.count(key) > 0 || !new_members.emplace(key, std::move(member)).second)
      refuse_duplicate(group.params[i], label_in(group, i));
    new_order.push_back(key);
  }
  order.reserve(order.size() + 1);
  self.param_groups_.reserve(self.param_groups_.size() + 1);
  members.reserve(members.size() + new_members.size());
  // LibTorch's group has no move, so this copies and may throw
  self.param_groups_.push_back(std::move(added));
  members.merge(new_members);  // from here on nothing throws
  order.push_back(std::move(new_order));
}

void GroupedOptimizer::Impl::show_as_single() {
  std::vector<torch::Tensor> all;
  std::vector<const c10::TensorImpl*> all_members;
  for (OptimizerParamGroup& group : self.param_groups_) {
    parts.push_back({group.options().clone(), group.params(), group.options().get_lr()});
    all.insert(all.end(), group.params().begin(), group.params().end());
  }
  for (const auto& members_of_group : order)
    all_members.insert(all_members.end(), members_of_group.begin(), members_of_group.end());
  self.param_groups_.clear();
  self.param_groups_.emplace_back(std::move(all), std::make_unique<SingleGroupOptions>(0));
  order = {std::move(all_members)};
  take_rates_of_parts();
}

/// The group's rate becomes that of the first part whose rate is not 0.
void GroupedOptimizer::Impl::take_rates_of_parts() {
  double first = 0;
  for (Part& part : parts) {
    part.rate = part.options->get_lr();
    if (first == 0) first = part.rate;
  }
  reference = first == 0 ? 1 : first;
  self.param_groups_.front().options().set_lr(first);
}

std::string place_text(std::size_t index, std::size_t group) {
  return fmt::format("parameter {} of group {}", index, group);
}

std::vector<OptimizerGroup> GroupAccess::groups(torch::optim::Optimizer& optimizer) {
  if (auto* const grouped = dynamic_cast<GroupedOptimizer*>(&optimizer))
    return grouped->impl_->groups();
  std::vector<OptimizerGroup> result;
  for (OptimizerParamGroup& group : optimizer.param_groups())
    result.push_back({&group.options(), &group.params()});
  return result;
}

std::vector<OptimizerGroup> GroupAccess::groups(const torch::optim::Optimizer& optimizer) {
  return groups(const_cast<torch::optim::Optimizer&>(optimizer));
}

void GroupAccess::options_were_written(torch::optim::Optimizer& optimizer,
                                       const std::vector<OptimizerGroup>& written) {
  auto* const grouped = dynamic_cast<GroupedOptimizer*>(&optimizer);
  if (grouped == nullptr || grouped->impl_->parts.empty() || written.empty()) return;
  GroupedOptimizer::Impl& impl = *grouped->impl_;
  // a part whose rate is 0 only because the group's rate was keeps its own rate
  const bool was_zero = impl.self.param_groups_.front().options().get_lr() == 0;
  for (GroupedOptimizer::Impl::Part& part : impl.parts) {
    const bool is_written = std::any_of(
        written.begin(), written.end(),
        [&](const OptimizerGroup& group) { return group.options == part.options.get(); });
    if (!is_written && was_zero) part.options->set_lr(part.rate);
  }
  impl.take_rates_of_parts();
}

}  // namespace muon
