// GroupedOptimizer::step: first checks everything, then prepares everything, then changes
// everything.
#include <muon/optim/grouped_optimizer.hpp>

#include "matrix/shape_text.hpp"
#include "optim/grouped_optimizer_impl.hpp"
#include "optim/state_key.hpp"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/core/ScalarType.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/optim/adamw.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace muon {

using torch::optim::AdamWOptions;
using torch::optim::AdamWParamState;
using torch::optim::OptimizerParamGroup;

void GroupedOptimizer::Impl::check_unchanged() const {
  bool unchanged = self.param_groups_.size() == order.size();
  for (std::size_t g = 0; unchanged && g < order.size(); ++g) {
    const OptimizerParamGroup& group = self.param_groups_[g];
    const auto same = [](const torch::Tensor& tensor, const c10::TensorImpl* member) {
      return tensor.unsafeGetTensorImpl() == member;
    };
    unchanged = group.has_options() && std::equal(group.params().begin(), group.params().end(),
                                                  order[g].begin(), order[g].end(), same);
    if (unchanged && !parts.empty())
      unchanged = dynamic_cast<const SingleGroupOptions*>(&group.options()) != nullptr;
  }
  if (unchanged) return;
  throw std::runtime_error(fmt::format(
      "[{}] the parameter groups were changed behind this optimizer: through a "
      "torch::optim::Optimizer&, or in param_groups(). Call add_param_group on the {} itself",
      where, where));
}

/// Momentum cannot become Adam's moments: a group keeps its algorithm once it has taken a step.
void GroupedOptimizer::Impl::check_state(const OptimizerGroup& group, std::size_t number) const {
  const bool is_muon = algorithm_of(*group.options) == Algorithm::muon;
  for (const torch::Tensor& parameter : *group.params) {
    const auto known = self.state_.find(state_key(parameter));
    if (known == self.state_.end()) continue;
    const auto* momentum = dynamic_cast<const MuonParamState*>(known->second.get());
    const auto* moments = dynamic_cast<const AdamWParamState*>(known->second.get());
    const torch::Tensor state = momentum != nullptr  ? momentum->momentum_buffer()
                                : moments != nullptr ? moments->exp_avg()
                                                     : torch::Tensor();
    if (state.defined() && state.sizes() != parameter.sizes()) {
      throw std::runtime_error(fmt::format(
          "[{}] '{}' has shape {} now and its state {}; make a new optimizer", where,
          self.name_of(parameter), shape_text(parameter.sizes()), shape_text(state.sizes())));
    }
    if ((momentum != nullptr) == is_muon) continue;
    throw std::runtime_error(fmt::format(
        "[{}, group {}] the options changed their kind after a step, and the state of '{}' is of "
        "the other kind; make a new optimizer",
        where, number, self.name_of(parameter)));
  }
}

std::vector<GroupedOptimizer::Impl::Update> GroupedOptimizer::Impl::collect(
    const std::vector<OptimizerGroup>& groups) const {
  std::vector<Update> updates;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    for (const torch::Tensor& parameter : *groups[g].params) {
      const torch::Tensor& gradient = parameter.grad();
      if (!gradient.defined()) continue;
      if (gradient.layout() != at::kStrided) {
        throw std::runtime_error(fmt::format(
            "[{}] the gradient of '{}' is sparse; make the embedding dense (sparse(false)) or give "
            "it to torch::optim::SGD",
            where, self.name_of(parameter)));
      }
      if (!at::isFloatingType(gradient.scalar_type())) {
        throw std::runtime_error(
            fmt::format("[{}] the gradient of '{}' is of type {}; a real floating type is needed",
                        where, self.name_of(parameter), c10::toString(gradient.scalar_type())));
      }
      if (gradient.sizes() != parameter.sizes() || gradient.device() != parameter.device()) {
        throw std::runtime_error(fmt::format(
            "[{}] the gradient of '{}' has shape {} on {}; the parameter has {} on {}", where,
            self.name_of(parameter), shape_text(gradient.sizes()), gradient.device().str(),
            shape_text(parameter.sizes()), parameter.device().str()));
      }
      // another dtype after module->to() between backward and step
      const bool same = gradient.scalar_type() == parameter.scalar_type();
      updates.push_back({g, parameter, same ? gradient : gradient.to(parameter.scalar_type())});
    }
  }
  return updates;
}

bool GroupedOptimizer::Impl::gradients_are_finite(const std::vector<Update>& updates) const {
  std::vector<torch::Tensor> gradients;
  gradients.reserve(updates.size());
  for (const Update& update : updates) gradients.push_back(update.gradient);
  const std::vector<std::size_t> bad = muon::nonfinite(gradients);
  if (bad.empty()) return true;
  if (nonfinite == NonFiniteGradient::skip_step) return false;
  std::vector<std::string> names;
  for (const std::size_t i : bad) {
    if (names.size() == 10) {
      names.push_back("...");
      break;
    }
    names.push_back(self.name_of(updates[i].parameter));
  }
  throw std::runtime_error(fmt::format(
      "[{}] NaN or infinity in the gradient of '{}'; nothing was changed. Lower the learning rate, "
      "look at the loss, or set on_nonfinite_gradient(NonFiniteGradient::skip_step)",
      where, fmt::join(names, "', '")));
}

void GroupedOptimizer::Impl::apply(const std::vector<OptimizerGroup>& groups,
                                   const std::vector<Update>& updates) {
  std::vector<OrthogonalizeOptions> orthogonalize(groups.size());  // of Muon's groups
  for (std::size_t g = 0; g < groups.size(); ++g) {
    if (const auto* options = dynamic_cast<const MuonOptions*>(groups[g].options))
      orthogonalize[g] = options->orthogonalize_options();
  }
  std::vector<MuonUpdate> muon;
  std::vector<AdamWUpdate> adamw;
  for (const Update& update : updates) {
    const auto* const options = groups[update.group].options;
    if (const auto* muon_options = dynamic_cast<const MuonOptions*>(options)) {
      const Member& member = members.at(update.parameter.unsafeGetTensorImpl());
      torch::Tensor& buffer =
          state_of<MuonParamState>(self.state_, update.parameter).momentum_buffer();
      match_dtype_and_device_(buffer, update.parameter);
      muon.push_back({update.parameter, update.gradient, buffer, &member.view, &member.blocks,
                      muon_options, &orthogonalize[update.group]});
    } else {
      adamw.push_back({update.parameter, update.gradient,
                       &state_of<AdamWParamState>(self.state_, update.parameter),
                       static_cast<const AdamWOptions*>(options)});
    }
  }
  Step(muon, adamw, workspace).apply();
}

torch::Tensor GroupedOptimizer::step(LossClosure closure) {
  const c10::NoGradGuard no_grad;
  torch::Tensor loss;
  if (closure) {
    const c10::AutoGradMode with_grad(true);
    loss = closure();
  }
  impl_->check_unchanged();
  const std::vector<OptimizerGroup> groups = impl_->groups();
  for (std::size_t g = 0; g < groups.size(); ++g) {
    impl_->check_kind(*groups[g].options, g);
    impl_->refresh_members(groups[g]);
    impl_->check_state(groups[g], g);
  }
  const std::vector<Impl::Update> updates = impl_->collect(groups);
  if (impl_->nonfinite != NonFiniteGradient::ignore && !impl_->gradients_are_finite(updates)) {
    ++impl_->skipped_steps;
    return loss;
  }
  impl_->apply(groups, updates);
  return loss;
}

}  // namespace muon
