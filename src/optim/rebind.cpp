// GroupedOptimizer::rebind, and parameters whose tensors have changed since they were added.
#include <muon/optim/grouped_optimizer.hpp>

#include "matrix/shape_text.hpp"
#include "optim/grouped_optimizer_impl.hpp"
#include "optim/state_key.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/nn/module.h>

#include <map>
#include <set>
#include <stdexcept>
#include <utility>

namespace muon {

using torch::optim::OptimizerParamGroup;

/// set_data may have given a parameter other values, or sizes that its view no longer fits.
void GroupedOptimizer::Impl::refresh_members(const OptimizerGroup& group) {
  const bool is_muon = algorithm_of(*group.options) == Algorithm::muon;
  for (const torch::Tensor& parameter : *group.params) {
    Member& member = members.at(parameter.unsafeGetTensorImpl());
    check_parameter(parameter, self.name_of(parameter));
    if (!is_muon) {
      member.blocks.clear();
    } else if (member.blocks.empty() || parameter.sizes() != c10::IntArrayRef(member.sizes)) {
      check_fit(parameter, self.name_of(parameter), member.view);
      member.blocks = member.view.blocks(parameter.sizes());
    }
    if (parameter.sizes() != c10::IntArrayRef(member.sizes)) member.sizes = parameter.sizes().vec();
  }
}

std::string GroupedOptimizer::Impl::why_not_replaced(const torch::Tensor& parameter,
                                                     const std::string& name,
                                                     const torch::Tensor& tensor) const {
  if (tensor.sizes() != parameter.sizes()) {
    return fmt::format("'{}' has shape {} in the model and {} here", name,
                       shape_text(tensor.sizes()), shape_text(parameter.sizes()));
  }
  try {
    check_parameter(tensor, name);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

void GroupedOptimizer::rebind(const torch::nn::Module& model) {
  impl_->check_unchanged();
  std::map<std::string, torch::Tensor> found;
  for (const auto& entry : model.named_parameters()) found.emplace(entry.key(), entry.value());
  std::vector<std::string> problems;
  std::map<const c10::TensorImpl*, torch::Tensor> replaced;
  std::set<const c10::TensorImpl*> taken;
  const auto find = [&](const torch::Tensor& parameter) -> std::string {
    const Impl::Member& member = impl_->members.at(parameter.unsafeGetTensorImpl());
    if (!member.name) return fmt::format("{} has no name to look for", name_of(parameter));
    const auto now = found.find(*member.name);
    if (now == found.end()) return fmt::format("the model has no parameter '{}'", *member.name);
    replaced[parameter.unsafeGetTensorImpl()] = now->second;
    const std::string problem = impl_->why_not_replaced(parameter, *member.name, now->second);
    if (problem.empty() && !taken.insert(now->second.unsafeGetTensorImpl()).second)
      return fmt::format("'{}' is the same tensor as another parameter of the optimizer",
                         *member.name);
    return problem;
  };
  for (const OptimizerGroup& group : impl_->groups()) {
    for (const torch::Tensor& parameter : *group.params) {
      if (std::string problem = find(parameter); !problem.empty())
        problems.push_back(std::move(problem));
    }
  }
  if (!problems.empty()) {
    throw std::invalid_argument(
        fmt::format("[{}] the model's parameters cannot be taken over; nothing was changed:\n  {}",
                    impl_->where, fmt::join(problems, "\n  ")));
  }
  impl_->replace(replaced);
}

void GroupedOptimizer::Impl::replace(
    const std::map<const c10::TensorImpl*, torch::Tensor>& replaced) {
  const auto replacement = [&](const torch::Tensor& old) -> const torch::Tensor& {
    return replaced.at(old.unsafeGetTensorImpl());
  };
  std::unordered_map<const c10::TensorImpl*, Member> new_members;
  for (const auto& [old, member] : members)
    new_members.emplace(replaced.at(old).unsafeGetTensorImpl(), member);
  auto new_order = order;
  for (auto& group : new_order) {
    for (const c10::TensorImpl*& member : group) member = replaced.at(member).unsafeGetTensorImpl();
  }
  std::remove_cvref_t<decltype(self.state_)> new_state;
  for (OptimizerParamGroup& group : self.param_groups_) {
    for (const torch::Tensor& old : group.params()) {
      const auto known = self.state_.find(state_key(old));
      if (known != self.state_.end() && known->second != nullptr)
        new_state[state_key(replacement(old))] = known->second->clone();
    }
  }
  members.swap(new_members);  // from here on nothing throws
  order.swap(new_order);
  self.state_ = std::move(new_state);
  for (OptimizerParamGroup& group : self.param_groups_) {
    for (torch::Tensor& parameter : group.params()) parameter = replacement(parameter);
  }
  for (Part& part : parts) {
    for (torch::Tensor& parameter : part.params) parameter = replacement(parameter);
  }
}

}  // namespace muon
