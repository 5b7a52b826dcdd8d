#include "state/training_parts.hpp"

#include <muon/plan/options.hpp>

#include "optim/optimizer_groups.hpp"

#include <fmt/format.h>
#include <torch/optim/adamw.h>

#include <iterator>
#include <stdexcept>

namespace muon {
namespace {

[[noreturn]] void refuse(const std::string& what) {
  throw std::invalid_argument(fmt::format("[checkpoint] {}", what));
}

template <class Part>
std::vector<Part*> listed(Part* one, const std::vector<Part*>& several, const char* what) {
  std::vector<Part*> all;
  if (one != nullptr) all.push_back(one);
  for (Part* part : several) {
    if (part == nullptr) refuse(fmt::format("one of the {} is null; leave it out", what));
    all.push_back(part);
  }
  return all;
}

void check_kind(torch::optim::Optimizer& optimizer, std::size_t number) {
  if (dynamic_cast<const GroupedOptimizer*>(&optimizer) != nullptr) return;
  if (dynamic_cast<const torch::optim::AdamW*>(&optimizer) != nullptr) return;
  refuse(
      fmt::format("optimizer {} is of a kind whose state is not known here; give muon::Muon, "
                  "muon::MuonWithAuxAdam or torch::optim::AdamW",
                  number));
}

}  // namespace

TrainingParts::TrainingParts(const TrainingState& training)
    : model_(training.model),
      optimizers_(listed(training.optimizer, training.optimizers, "optimizers")),
      schedules_(listed(training.schedule, training.schedules, "schedules")) {
  for (std::size_t k = 0; k < optimizers_.size(); ++k) {
    check_kind(*optimizers_[k], k);
    const auto* const ours = dynamic_cast<const GroupedOptimizer*>(optimizers_[k]);
    const auto& groups = optimizers_[k]->param_groups();
    for (std::size_t g = 0; g < groups.size(); ++g) {
      for (std::size_t i = 0; i < groups[g].params().size(); ++i) {
        const at::Tensor& parameter = groups[g].params()[i];
        const std::string place = place_text(i, g);
        std::string name = ours != nullptr ? ours->name_of(parameter) : place;
        if (name == place && k > 0) name += fmt::format(" of optimizer {}", k);
        if (!names_.emplace(parameter.unsafeGetTensorImpl(), name).second)
          refuse(fmt::format(
              "'{}' is in two optimizers, or twice in one; its state would be stored twice",
              names(parameter).front()));
      }
    }
  }
}

std::optional<std::size_t> TrainingParts::first_group_of(
    const torch::optim::Optimizer& optimizer) const {
  std::size_t first = 0;
  for (const torch::optim::Optimizer* one : optimizers_) {
    if (one == &optimizer) return first;
    first += GroupAccess::groups(*one).size();
  }
  return std::nullopt;
}

OptimizerState TrainingParts::state() const {
  OptimizerState all;
  for (const torch::optim::Optimizer* optimizer : optimizers_) {
    OptimizerState one = state_of_optimizer(*optimizer, names_of());
    all.insert(all.end(), std::make_move_iterator(one.begin()), std::make_move_iterator(one.end()));
  }
  return all;
}

std::vector<std::string> TrainingParts::names(const at::Tensor& parameter) const {
  if (const NamedTensors::Entry* const entry = model_.find(parameter)) return entry->names;
  const auto known = names_.find(parameter.unsafeGetTensorImpl());
  return {known == names_.end() ? "unknown parameter" : known->second};
}

NamesOf TrainingParts::names_of() const {
  return [this](const at::Tensor& parameter) { return names(parameter); };
}

}  // namespace muon
