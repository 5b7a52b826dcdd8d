#include "train/make_optimizer.hpp"

#include "cli/assign_rules.hpp"
#include "cli/print.hpp"
#include "cli/usage_error.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <utility>
#include <vector>

namespace cli {
namespace {

constexpr double sgd_lr = 0.1, sgd_weight_decay = 0.01;  // LibTorch has no defaults for SGD

/// The options of --optimizer itself, to which --lr applies.
bool is_own(const TrainOptions& options, OptimizerKind kind) { return options.optimizer == kind; }

muon::MuonOptions muon_options(const TrainOptions& options) {
  muon::MuonOptions muon = muon::default_muon();
  if (is_own(options, OptimizerKind::muon)) muon.lr(options.lr.value_or(muon.lr()));
  muon.weight_decay(options.weight_decay.value_or(muon.weight_decay()));
  muon.momentum(options.momentum.value_or(muon.momentum()));
  muon.adjust_lr_fn(options.adjust_lr);
  options.method.set(muon);
  return muon;
}

torch::optim::AdamWOptions adamw_options(const TrainOptions& options) {
  const bool own = is_own(options, OptimizerKind::adamw);
  torch::optim::AdamWOptions adamw = own ? torch::optim::AdamWOptions() : muon::default_adamw();
  adamw.lr((own ? options.lr : options.adamw_lr).value_or(adamw.lr()));
  adamw.weight_decay(options.weight_decay.value_or(adamw.weight_decay()));
  return adamw;
}

torch::optim::SGDOptions sgd_options(const TrainOptions& options) {
  return torch::optim::SGDOptions(options.lr.value_or(sgd_lr))
      .momentum(momentum(options))
      .weight_decay(options.weight_decay.value_or(sgd_weight_decay));
}

const char* name_of(OptimizerKind kind) {
  switch (kind) {
    case OptimizerKind::muon: return "Muon";
    case OptimizerKind::adamw: return "AdamW";
    case OptimizerKind::sgd: break;
  }
  return "SGD";
}

}  // namespace

double learning_rate(const TrainOptions& options) {
  if (is_own(options, OptimizerKind::muon)) return muon_options(options).lr();
  return is_own(options, OptimizerKind::adamw) ? adamw_options(options).lr()
                                               : sgd_options(options).lr();
}

double weight_decay(const TrainOptions& options) {
  if (is_own(options, OptimizerKind::muon)) return muon_options(options).weight_decay();
  return is_own(options, OptimizerKind::adamw) ? adamw_options(options).weight_decay()
                                               : sgd_options(options).weight_decay();
}

double momentum(const TrainOptions& options) {
  return options.momentum.value_or(muon::default_muon().momentum());
}

double aux_learning_rate(const TrainOptions& options) {
  return options.adamw_lr.value_or(muon::default_adamw().lr());
}

std::optional<muon::Plan> plan_for(const TrainOptions& options, const Model& model) {
  if (options.optimizer == OptimizerKind::sgd) {
    if (!options.assign.empty())
      throw UsageError("--assign needs --optimizer muon or adamw; SGD takes every parameter");
    return std::nullopt;
  }
  const bool adamw_only = options.optimizer == OptimizerKind::adamw;
  const auto rules =
      rules_for(options.assign, muon_options(options), adamw_options(options), adamw_only);
  try {
    return muon::make_plan(model, rules);
    // the built-in rules fit these models, so the error is in an --assign
  } catch (const std::invalid_argument& error) {
    throw UsageError(error.what());
  }
}

std::unique_ptr<torch::optim::Optimizer> make_optimizer(const TrainOptions& options,
                                                        const Model& model,
                                                        const std::optional<muon::Plan>& plan) {
  if (!plan) return std::make_unique<torch::optim::SGD>(model.parameters(), sgd_options(options));
  return std::make_unique<muon::MuonWithAuxAdam>(*plan);
}

muon::Schedule make_schedule(const TrainOptions& options, std::int64_t total) {
  const std::int64_t warmup = options.warmup;
  if (warmup > total)
    throw UsageError(message("--warmup {} is longer than the run of {} steps", warmup, total));
  switch (options.schedule) {
    case ScheduleKind::cosine:
      return [=](std::int64_t step) { return muon::schedule::cosine(step, total, warmup); };
    case ScheduleKind::wsd: {
      const std::int64_t decay = std::min(total / 5, total - warmup);
      return [=](std::int64_t step) {
        return muon::schedule::warmup_stable_decay(step, total, warmup, decay);
      };
    }
    case ScheduleKind::constant: break;
  }
  return [=](std::int64_t step) { return muon::schedule::linear_warmup(step, warmup); };
}

OptimizerKind kind_of(const torch::optim::OptimizerOptions& options) {
  if (dynamic_cast<const muon::MuonOptions*>(&options) != nullptr) return OptimizerKind::muon;
  return dynamic_cast<const torch::optim::AdamWOptions*>(&options) != nullptr ? OptimizerKind::adamw
                                                                              : OptimizerKind::sgd;
}

std::string learning_rates(torch::optim::Optimizer& optimizer) {
  std::vector<std::string> rates;
  for (auto& group : optimizer.param_groups()) {
    std::string rate =
        fmt::format("{} {:.3g}", name_of(kind_of(group.options())), group.options().get_lr());
    if (std::find(rates.begin(), rates.end(), rate) == rates.end())
      rates.push_back(std::move(rate));
  }
  return fmt::format("{}", fmt::join(rates, ", "));
}

}  // namespace cli
