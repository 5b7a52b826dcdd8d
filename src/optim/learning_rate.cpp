#include <muon/optim/learning_rate.hpp>

#include <muon/plan/options.hpp>

#include "optim/optimizer_groups.hpp"

#include <fmt/format.h>
#include <torch/optim/adamw.h>

#include <cmath>
#include <stdexcept>
#include <tuple>
#include <vector>

namespace muon {
namespace {

void check(const char* name, double value) {
  if (!(std::isfinite(value) && value >= 0))
    throw std::invalid_argument(
        fmt::format("[learning_rate] {} is {}; give a finite number of at least 0", name, value));
}

/// The new rate for a group with these options; none if it keeps its rate.
std::optional<double> rate_for(const torch::optim::OptimizerOptions& options,
                               const LearningRates& rates) {
  if (dynamic_cast<const MuonOptions*>(&options) != nullptr) return rates.muon;
  if (dynamic_cast<const torch::optim::AdamWOptions*>(&options) != nullptr) return rates.adamw;
  return std::nullopt;
}

}  // namespace

void scale_lr(torch::optim::Optimizer& optimizer, double factor) {
  check("factor", factor);
  for (auto& group : optimizer.param_groups())
    group.options().set_lr(group.options().get_lr() * factor);
}

void set_lr(torch::optim::Optimizer& optimizer, const LearningRates& rates) {
  const auto groups = GroupAccess::groups(optimizer);
  for (const auto& [name, rate, type] :
       {std::tuple("muon", rates.muon, LearningRates{1, {}}), {"adamw", rates.adamw, {{}, 1}}}) {
    if (!rate) continue;
    check(name, *rate);
    bool found = false;
    for (const OptimizerGroup& group : groups) found = found || rate_for(*group.options, type);
    if (!found) {
      throw std::invalid_argument(fmt::format(
          "[learning_rate] got a rate for {}, of which the optimizer has no group; leave it out",
          name));
    }
  }
  std::vector<OptimizerGroup> written;
  for (const OptimizerGroup& group : groups) {
    const auto rate = rate_for(*group.options, rates);
    if (!rate) continue;
    group.options->set_lr(*rate);
    written.push_back(group);
  }
  GroupAccess::options_were_written(optimizer, written);
}

void set_momentum(torch::optim::Optimizer& optimizer, double momentum) {
  if (!(momentum >= 0 && momentum < 1))
    throw std::invalid_argument(
        fmt::format("[learning_rate] momentum is {}; give 0 <= momentum < 1", momentum));
  for (const OptimizerGroup& group : GroupAccess::groups(optimizer)) {
    if (auto* const options = dynamic_cast<MuonOptions*>(group.options))
      options->momentum(momentum);
  }
}

}  // namespace muon
