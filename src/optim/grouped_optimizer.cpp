#include <muon/optim/grouped_optimizer.hpp>

#include <muon/plan/options.hpp>

#include "matrix/shape_text.hpp"
#include "kernels/workspace.hpp"
#include "optim/state_key.hpp"
#include "optim/update.hpp"

#include <ATen/ATen.h>
#include <ATen/MemoryOverlap.h>
#include <c10/core/GradMode.h>
#include <c10/core/ScalarType.h>
#include <fmt/format.h>
#include <torch/optim/adamw.h>

#include <algorithm>
#include <stdexcept>
#include <unordered_set>
#include <utility>

namespace muon {
namespace {

using torch::optim::AdamWOptions;
using torch::optim::OptimizerOptions;
using torch::optim::OptimizerParamGroup;

const MuonOptions* as_muon(const OptimizerOptions& options) { return dynamic_cast<const MuonOptions*>(&options); }
const AdamWOptions* as_adamw(const OptimizerOptions& options) { return dynamic_cast<const AdamWOptions*>(&options); }

std::string place(std::size_t index, std::size_t group) { return fmt::format("parameter {} of group {}", index, group); }

}  // namespace

/// A parameter that has a gradient.
struct GroupedOptimizer::Update {
  std::size_t group;
  std::size_t index;  // in the group
  torch::Tensor parameter;
  torch::Tensor gradient;
};

GroupedOptimizer::GroupedOptimizer(std::string where, Accepts accepts, const std::vector<OptimizerParamGroup>& groups,
                                   std::unique_ptr<OptimizerOptions> defaults, Names names)
    // no groups for the base: from about LibTorch 2.10 on it would replace their options by the defaults
    : Optimizer(std::vector<OptimizerParamGroup>{}, std::move(defaults)),
      where_(std::move(where)),
      accepts_(accepts),
      names_(std::move(names)),
      workspace_(std::make_shared<kernels::Workspace>()) {
  for (const OptimizerParamGroup& group : groups) add_param_group(group);
  if (std::all_of(members_.begin(), members_.end(), [](const auto& members) { return members.empty(); })) {
    throw std::invalid_argument(fmt::format("[{}] got no parameters; give at least one", where_));
  }
}

std::string GroupedOptimizer::name_of(const torch::Tensor& parameter) const {
  const auto known = names_.find(parameter.unsafeGetTensorImpl());
  if (known != names_.end()) return known->second;
  for (std::size_t g = 0; g < param_groups_.size(); ++g) {
    const auto& parameters = param_groups_[g].params();
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      if (parameters[i].is_same(parameter)) return place(i, g);
    }
  }
  return "unknown parameter";
}

void GroupedOptimizer::check_kind(const OptimizerOptions& options, const std::string& group) const {
  const std::string where = fmt::format("{}, {}", where_, group);
  if (const auto* muon = as_muon(options)) return check_options(*muon, where);
  const auto* adamw = as_adamw(options);
  if (adamw != nullptr && accepts_ == Accepts::muon_and_adamw) return check_options(*adamw, where);
  throw std::invalid_argument(
      adamw != nullptr
          ? fmt::format("[{}] the options are torch::optim::AdamWOptions; give this group to torch::optim::AdamW, or use "
                        "muon::MuonWithAuxAdam for both kinds",
                        where)
          : fmt::format("[{}] the options are of an unknown type; use muon::MuonOptions{}", where,
                        accepts_ == Accepts::muon_and_adamw ? " or torch::optim::AdamWOptions" : ""));
}

void GroupedOptimizer::check_parameter(const torch::Tensor& parameter, const MuonOptions* muon, std::size_t index,
                                       std::size_t group) const {
  const auto refuse = [&](const std::string& what) {
    const auto known = names_.find(parameter.unsafeGetTensorImpl());
    throw std::invalid_argument(
        fmt::format("[{}] '{}' {}", where_, known != names_.end() ? known->second : place(index, group), what));
  };
  if (!parameter.defined())
    throw std::invalid_argument(fmt::format("[{}] {} is an undefined tensor", where_, place(index, group)));
  if (!at::isFloatingType(parameter.scalar_type())) {
    refuse(fmt::format("is of type {}; a real floating type is needed", c10::toString(parameter.scalar_type())));
  }
  if (parameter.layout() != at::kStrided) refuse("is sparse; a dense tensor is needed");
  if (at::has_internal_overlap(parameter) == at::MemOverlap::Yes)
    refuse("is expanded: several entries share one memory; make it contiguous");
  if (!parameter.is_leaf()) refuse("is not a leaf: it was computed from other tensors. Give the parameter itself");
  if (muon == nullptr) return;
  if (parameter.dim() < 2) {
    refuse(fmt::format(
        "has shape {}; Muon is for matrices. Give it to AdamW: muon::MuonWithAuxAdam(*model) sorts the parameters of a "
        "model, or put it in a torch::optim::AdamW beside this optimizer",
        shape_text(parameter.sizes())));
  }
  if (parameter.numel() == 0) refuse(fmt::format("has shape {} and no entries; leave it out", shape_text(parameter.sizes())));
  try {
    (void)muon->view(index).shapes(parameter.sizes());
  } catch (const std::invalid_argument& error) {
    refuse(fmt::format("does not fit its view: {}", error.what()));
  }
}

void GroupedOptimizer::check_group(const OptimizerParamGroup& group, std::size_t number) const {
  const std::string label = fmt::format("group {}", number);
  check_kind(group.options(), label);
  const auto* muon = as_muon(group.options());
  if (muon != nullptr && muon->views().size() > 1 && muon->views().size() != group.params().size()) {
    throw std::invalid_argument(fmt::format("[{}, {}] has {} views for {} parameters; give none, one for all, or one for each",
                                            where_, label, muon->views().size(), group.params().size()));
  }
  for (std::size_t i = 0; i < group.params().size(); ++i) check_parameter(group.params()[i], muon, i, number);
}

void GroupedOptimizer::add_param_group(const OptimizerParamGroup& group) {
  const std::size_t number = param_groups_.size();
  if (!group.has_options() && accepts_ == Accepts::muon_and_adamw) {
    throw std::invalid_argument(
        fmt::format("[{}, group {}] has no options, and their type says which algorithm it is for; give it "
                    "muon::MuonOptions or torch::optim::AdamWOptions",
                    where_, number));
  }
  OptimizerParamGroup added(group.params(), group.has_options() ? group.options().clone() : defaults_->clone());
  check_group(added, number);
  std::unordered_set<const c10::TensorImpl*> seen;
  for (const OptimizerParamGroup& other : param_groups_) {
    for (const torch::Tensor& parameter : other.params()) seen.insert(parameter.unsafeGetTensorImpl());
  }
  for (std::size_t i = 0; i < added.params().size(); ++i) {
    const torch::Tensor& parameter = added.params()[i];
    if (!seen.insert(parameter.unsafeGetTensorImpl()).second) {
      const auto known = names_.find(parameter.unsafeGetTensorImpl());
      throw std::invalid_argument(
          fmt::format("[{}] '{}' is in two groups, or twice in one; it would be updated twice a step. Tied "
                      "weights are one parameter: give them once",
                      where_, known != names_.end() ? known->second : place(i, number)));
    }
  }
  std::vector<const c10::TensorImpl*> members;
  for (const torch::Tensor& parameter : added.params()) members.push_back(parameter.unsafeGetTensorImpl());
  members_.reserve(number + 1);
  param_groups_.reserve(number + 1);  // from here on nothing throws
  members_.push_back(std::move(members));
  param_groups_.push_back(std::move(added));
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
        if (gradient.grad_fn()) gradient = gradient.detach();  // of a backward that made a graph
        gradient.zero_();
      }
    }
  }
}

/// Momentum cannot become Adam's moments: a group keeps its kind once it has taken a step.
void GroupedOptimizer::check_state(const OptimizerParamGroup& group, std::size_t number) const {
  const bool is_muon = as_muon(group.options()) != nullptr;
  for (const torch::Tensor& parameter : group.params()) {
    const auto known = state_.find(state_key(parameter));
    if (known == state_.end()) continue;
    const auto* momentum = dynamic_cast<const MuonParamState*>(known->second.get());
    const auto* moments = dynamic_cast<const torch::optim::AdamWParamState*>(known->second.get());
    const torch::Tensor state = momentum != nullptr  ? momentum->momentum_buffer()
                                : moments != nullptr ? moments->exp_avg()
                                                     : torch::Tensor();
    if (state.defined() && state.sizes() != parameter.sizes()) {
      throw std::runtime_error(fmt::format("[{}] '{}' has shape {} now and its state {}; make a new optimizer", where_,
                                           name_of(parameter), shape_text(parameter.sizes()), shape_text(state.sizes())));
    }
    if ((momentum != nullptr) == is_muon) continue;
    throw std::runtime_error(
        fmt::format("[{}, group {}] the options changed their kind after a step, and the state of '{}' is of "
                    "the other kind; make a new optimizer",
                    where_, number, name_of(parameter)));
  }
}

void GroupedOptimizer::check_groups() const {
  bool ours = param_groups_.size() == members_.size();
  for (std::size_t g = 0; ours && g < param_groups_.size(); ++g) {
    const auto& now = param_groups_[g].params();
    ours = param_groups_[g].has_options() && std::equal(now.begin(), now.end(), members_[g].begin(), members_[g].end(),
                                                        [](const torch::Tensor& tensor, const c10::TensorImpl* member) {
                                                          return tensor.unsafeGetTensorImpl() == member;
                                                        });
  }
  if (!ours) {
    throw std::runtime_error(
        fmt::format("[{}] the parameter groups were changed behind this optimizer: through a "
                    "torch::optim::Optimizer&, or in param_groups(). Call add_param_group on the {} itself",
                    where_, where_));
  }
  for (std::size_t g = 0; g < param_groups_.size(); ++g) {
    check_group(param_groups_[g], g);
    check_state(param_groups_[g], g);
  }
}

std::vector<GroupedOptimizer::Update> GroupedOptimizer::collect() const {
  std::vector<Update> updates;
  for (std::size_t g = 0; g < param_groups_.size(); ++g) {
    const auto& parameters = param_groups_[g].params();
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const torch::Tensor& gradient = parameters[i].grad();
      if (!gradient.defined()) continue;
      if (gradient.layout() != at::kStrided) {
        throw std::runtime_error(
            fmt::format("[{}] the gradient of '{}' is sparse; make the embedding dense (sparse(false)) or give "
                        "it to torch::optim::SGD",
                        where_, name_of(parameters[i])));
      }
      if (!at::isFloatingType(gradient.scalar_type())) {
        throw std::runtime_error(fmt::format("[{}] the gradient of '{}' is of type {}; a real floating type is needed", where_,
                                             name_of(parameters[i]), c10::toString(gradient.scalar_type())));
      }
      if (gradient.sizes() != parameters[i].sizes() || gradient.device() != parameters[i].device()) {
        throw std::runtime_error(fmt::format("[{}] the gradient of '{}' has shape {} on {}; the parameter has {} on {}", where_,
                                             name_of(parameters[i]), shape_text(gradient.sizes()), gradient.device().str(),
                                             shape_text(parameters[i].sizes()), parameters[i].device().str()));
      }
      // another dtype after module->to() between backward and step
      const bool same = gradient.scalar_type() == parameters[i].scalar_type();
      updates.push_back({g, i, parameters[i], same ? gradient : gradient.to(parameters[i].scalar_type())});
    }
  }
  return updates;
}

bool GroupedOptimizer::gradients_are_finite(const std::vector<Update>& updates) const {
  std::vector<torch::Tensor> gradients;
  gradients.reserve(updates.size());
  for (const Update& update : updates) gradients.push_back(update.gradient);
  const std::vector<std::size_t> bad = nonfinite(gradients);
  if (bad.empty()) return true;
  if (nonfinite_ == NonFiniteGradient::skip_step) return false;
  std::vector<std::string> names;
  for (const std::size_t i : bad) {
    if (names.size() == 10) {
      names.push_back("...");
      break;
    }
    names.push_back(name_of(updates[i].parameter));
  }
  throw std::runtime_error(
      fmt::format("[{}] NaN or infinity in the gradient of '{}'; nothing was changed. Lower the learning rate, "
                  "look at the loss, or set on_nonfinite_gradient(NonFiniteGradient::skip_step)",
                  where_, fmt::join(names, "', '")));
}

void GroupedOptimizer::apply(const std::vector<Update>& updates) {
  static const MatrixView automatic;
  std::vector<OrthogonalizeOptions> how(param_groups_.size());  // of the groups that are Muon's
  for (std::size_t g = 0; g < how.size(); ++g) {
    if (const auto* o = as_muon(param_groups_[g].options())) how[g] = o->orthogonalize_options();
  }
  std::vector<MuonUpdate> muon;
  std::vector<AdamWUpdate> adamw;
  for (const Update& update : updates) {
    const OptimizerOptions& options = param_groups_[update.group].options();
    if (const auto* o = as_muon(options)) {
      torch::Tensor& buffer = state_of<MuonParamState>(state_, update.parameter).momentum_buffer();
      match_dtype_and_device_(buffer, update.parameter);
      const auto& views = o->views();
      const MatrixView& view = views.empty() ? automatic : views.size() == 1 ? views.front() : views[update.index];
      muon.push_back({update.parameter, update.gradient, buffer, &view, o, &how[update.group]});
    } else {
      adamw.push_back({update.parameter, update.gradient, &state_of<torch::optim::AdamWParamState>(state_, update.parameter),
                       as_adamw(options)});
    }
  }
  muon_step(muon, *workspace_);
  adamw_step(adamw);
}

torch::Tensor GroupedOptimizer::step(LossClosure closure) {
  const c10::NoGradGuard no_grad;
  torch::Tensor loss;
  if (closure) {
    const c10::AutoGradMode with_grad(true);
    loss = closure();
  }
  check_groups();
  const std::vector<Update> updates = collect();
  if (nonfinite_ != NonFiniteGradient::ignore && !gradients_are_finite(updates)) {
    ++skipped_steps_;
    return loss;
  }
  apply(updates);
  return loss;
}

}  // namespace muon
