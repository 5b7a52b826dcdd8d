#include "train/make_optimizer.hpp"

#include "cli/assign_rules.hpp"
#include "cli/usage_error.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace cli {
namespace {

muon::MuonOptions muon_options(const TrainOptions& options) {
  auto muon = muon::MuonOptions(options.optimizer == "muon" ? options.learning_rate() : 0.02)
                  .momentum(options.momentum)
                  .weight_decay(options.weight_decay)
                  .adjust_lr_fn(parse_adjust_lr(options.adjust_lr));
  if (options.method == "automatic") muon.method(muon::Method::automatic);
  if (options.method == "polar_express") muon.ns_preset(muon::polar_express_steps());
  if (options.method == "dwh2") muon.method(muon::Method::dwh2);
  if (options.method == "zolotarev2") muon.method(muon::Method::zolotarev2);
  if (options.method == "zolotarev3") muon.method(muon::Method::zolotarev3);
  return muon;
}

torch::optim::AdamWOptions adamw_options(const TrainOptions& options) {
  const double lr = options.optimizer == "adamw" ? options.learning_rate() : options.adamw_lr;
  return torch::optim::AdamWOptions(lr).weight_decay(options.weight_decay);
}

}  // namespace

std::optional<muon::Plan> plan_for(const TrainOptions& options, const Model& model) {
  if (options.optimizer == "sgd") {
    if (!options.assign.empty()) throw UsageError("--assign needs --optimizer muon or adamw; SGD takes every parameter");
    return std::nullopt;
  }
  const auto rules = rules_for(options.assign, muon_options(options), adamw_options(options), options.optimizer == "adamw");
  try {
    return muon::make_plan(model, rules);
  } catch (const std::invalid_argument& error) {  // the built-in rules fit these models, so it is an --assign
    throw UsageError(error.what());
  }
}

std::unique_ptr<torch::optim::Optimizer> make_optimizer(const TrainOptions& options, const Model& model,
                                                        const std::optional<muon::Plan>& plan) {
  if (!plan) {
    return std::make_unique<torch::optim::SGD>(
        model.parameters(),
        torch::optim::SGDOptions(options.learning_rate()).momentum(options.momentum).weight_decay(options.weight_decay));
  }
  return std::make_unique<muon::MuonWithAuxAdam>(*plan);
}

muon::Schedule make_schedule(const TrainOptions& options, std::int64_t total) {
  const std::int64_t warmup = options.warmup;
  if (warmup > total) throw UsageError(fmt::format("--warmup {} is longer than the run of {} steps", warmup, total));
  if (options.schedule == "cosine") return [=](std::int64_t step) { return muon::schedule::cosine(step, total, warmup); };
  if (options.schedule == "wsd") {
    const std::int64_t decay = std::min(total / 5, total - warmup);
    return [=](std::int64_t step) { return muon::schedule::warmup_stable_decay(step, total, warmup, decay); };
  }
  return [=](std::int64_t step) { return muon::schedule::linear_warmup(step, warmup); };
}

std::string algorithm_name(const torch::optim::OptimizerOptions& options) {
  if (dynamic_cast<const muon::MuonOptions*>(&options) != nullptr) return "muon";
  return dynamic_cast<const torch::optim::AdamWOptions*>(&options) != nullptr ? "adamw" : "sgd";
}

std::string learning_rates(torch::optim::Optimizer& optimizer) {
  std::vector<std::string> rates;
  for (auto& group : optimizer.param_groups()) {
    const std::string algorithm = algorithm_name(group.options());
    std::string rate = fmt::format("{} {:.3g}",
                                   algorithm == "muon"    ? "Muon"
                                   : algorithm == "adamw" ? "AdamW"
                                                          : "SGD",
                                   group.options().get_lr());
    if (std::find(rates.begin(), rates.end(), rate) == rates.end()) rates.push_back(std::move(rate));
  }
  return fmt::format("{}", fmt::join(rates, ", "));
}

}  // namespace cli
