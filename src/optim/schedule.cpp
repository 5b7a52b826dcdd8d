#include <muon/optim/schedule.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <stdexcept>
#include <utility>

namespace muon {
namespace {

[[noreturn]] void refuse(const std::string& what) {
  throw std::invalid_argument("[schedule] " + what);
}

[[noreturn]] void refuse_lambda_lr(const std::string& what) {
  throw std::invalid_argument("[LambdaLR] " + what);
}

void check_span(const char* name, std::int64_t value) {
  if (value < 0) refuse(fmt::format("{} is {}; give 0 or more", name, value));
}

void check_factor(double value) {
  if (!(value >= 0 && value <= 1)) refuse(fmt::format("final_factor is {}; give 0 to 1", value));
}

/// How far `step` is from `first` to `last`, in [0, 1].
double progress(std::int64_t step, std::int64_t first, std::int64_t last) {
  if (step >= last) return 1;
  return step <= first ? 0 : static_cast<double>(step - first) / static_cast<double>(last - first);
}

}  // namespace

namespace schedule {

double constant(std::int64_t step) {
  check_span("step", step);
  return 1;
}

double linear_warmup(std::int64_t step, std::int64_t warmup) {
  check_span("step", step);
  check_span("warmup", warmup);
  return step >= warmup ? 1 : static_cast<double>(step + 1) / static_cast<double>(warmup);
}

double cosine(std::int64_t step, std::int64_t total, std::int64_t warmup, double final_factor) {
  const double rising = linear_warmup(step, warmup);
  check_factor(final_factor);
  if (warmup > total)
    refuse(fmt::format("warmup is {} of {} steps; give at most the total", warmup, total));
  if (step < warmup) return rising;
  return final_factor + (1 - final_factor) * 0.5 *
                            (1 + std::cos(std::numbers::pi * progress(step, warmup, total)));
}

double warmup_stable_decay(std::int64_t step, std::int64_t total, std::int64_t warmup,
                           std::int64_t decay, double final_factor) {
  const double rising = linear_warmup(step, warmup);
  check_span("decay", decay);
  check_factor(final_factor);
  if (warmup > total || decay > total - warmup) {
    refuse(fmt::format("warmup {} and decay {} are longer than the {} steps together", warmup,
                       decay, total));
  }
  if (step < warmup) return rising;
  return 1 - (1 - final_factor) * progress(step, total - decay, total);
}

double momentum_warmup(std::int64_t step, std::int64_t warmup, double from, double to) {
  check_span("step", step);
  check_span("warmup", warmup);
  if (!std::isfinite(from) || !std::isfinite(to))
    refuse(fmt::format("momentum_warmup from {} to {}; give finite numbers", from, to));
  return from + (to - from) * progress(step, 0, warmup);
}

}  // namespace schedule

LambdaLR::LambdaLR(torch::optim::Optimizer& optimizer, Schedule schedule)
    : LRScheduler(optimizer),
      target_(optimizer),
      initial_(get_current_lrs()),
      schedule_(std::move(schedule)) {
  if (!schedule_) refuse_lambda_lr("the schedule is empty; give a function of the step");
  set_step(0);
}

void LambdaLR::set_step(std::int64_t step) {
  if (step < 0 || step > std::numeric_limits<unsigned>::max())
    refuse_lambda_lr(fmt::format("step is {}; give 0 or more", step));
  const std::vector<double> now = rates(step);
  initial_ = initial_rates();
  for (std::size_t g = 0; g < now.size(); ++g) target_.param_groups()[g].options().set_lr(now[g]);
  step_count_ = static_cast<unsigned>(step);
}

std::vector<double> LambdaLR::initial_rates() const {
  const auto& groups = target_.param_groups();
  if (groups.size() < initial_.size())
    refuse_lambda_lr(fmt::format("the optimizer has {} groups and had {}; make a new schedule",
                                 groups.size(), initial_.size()));
  std::vector<double> rates = initial_;
  for (std::size_t g = initial_.size(); g < groups.size(); ++g)
    rates.push_back(groups[g].options().get_lr());
  return rates;
}

std::vector<double> LambdaLR::rates(std::int64_t step) const {
  const double factor = schedule_(step);
  if (!(std::isfinite(factor) && factor >= 0))
    refuse_lambda_lr(fmt::format("the factor at step {} is {}; give a finite number of at least 0",
                                 step, factor));
  std::vector<double> result = initial_rates();
  for (double& rate : result) rate *= factor;
  return result;
}

// LibTorch increments step_count_ after asking for the rates, one for each group.
std::vector<double> LambdaLR::get_lrs() {
  std::vector<double> next = rates(static_cast<std::int64_t>(step_count_) + 1);
  initial_ = initial_rates();
  return next;
}

}  // namespace muon
