// muon/optim/schedule.hpp: learning rates and momentum over time.
//
// A schedule is a pure function of the step that gives a factor for the initial learning rate.
// LambdaLR applies one to any torch::optim::Optimizer, so all groups keep their proportions.
#pragma once

#include <muon/export.hpp>

#include <torch/optim/optimizer.h>
#include <torch/optim/schedulers/lr_scheduler.h>

#include <cstdint>
#include <functional>
#include <vector>

namespace muon {

namespace schedule {

/// All factors are in [0, 1] for `final_factor` in [0, 1]. Steps count from 0; past `total` the
/// last value holds. Spans are in steps.
/// Errors   std::invalid_argument: a negative step or span, warm-up (and decay) longer than
///          `total`, a factor outside [0, 1].

[[nodiscard]] MUON_API double constant(std::int64_t step);

/// Linear from 1 / warmup at step 0 to 1 at step warmup - 1, then 1. With a `warmup` of 0 it is
/// constant.
[[nodiscard]] MUON_API double linear_warmup(std::int64_t step, std::int64_t warmup);

/// Linear warm-up, then half a cosine from 1 down to `final_factor` at step `total`.
/// Source   Loshchilov and Hutter, "SGDR", https://arxiv.org/abs/1608.03983
[[nodiscard]] MUON_API double cosine(std::int64_t step, std::int64_t total, std::int64_t warmup = 0,
                                     double final_factor = 0);

/// Linear warm-up, then 1, then linear to `final_factor` over the last `decay` steps.
/// Source   Hu et al., "MiniCPM", https://arxiv.org/abs/2404.06395
[[nodiscard]] MUON_API double warmup_stable_decay(std::int64_t step, std::int64_t total,
                                                  std::int64_t warmup, std::int64_t decay,
                                                  double final_factor = 0);

/// A value, not a factor: linear from `from` to `to` at step `warmup`, then `to`. For Muon's
/// momentum.
/// Source   https://github.com/KellerJordan/modded-nanogpt
[[nodiscard]] MUON_API double momentum_warmup(std::int64_t step, std::int64_t warmup = 300,
                                              double from = 0.85, double to = 0.95);

}  // namespace schedule

using Schedule = std::function<double(std::int64_t step)>;

/// Python's torch.optim.lr_scheduler.LambdaLR with one function for all groups: each group's lr is
/// its initial lr, read when the scheduler is constructed, times `schedule(step)`. The constructor
/// sets the rates of step 0; call `step()` after each `optimizer.step()`.
///
///     muon::LambdaLR scheduler(
///         optimizer, [=](auto step) { return muon::schedule::cosine(step, total, 100); });
///
/// Errors   std::invalid_argument if the schedule gives a negative or non-finite factor.
/// Groups   that are added later are scheduled from then on, starting from the rate they were added
///          with.
/// Safety   Refers to the optimizer, which must outlive it. It sets the rates instead of
///          multiplying them, so it overrides any other scheduler of the same optimizer.
class MUON_API LambdaLR : public torch::optim::LRScheduler {
 public:
  LambdaLR(torch::optim::Optimizer& optimizer, Schedule schedule);

  /// The optimizer whose learning rates are scheduled.
  [[nodiscard]] const torch::optim::Optimizer& optimizer() const { return target_; }
  /// How many times `step()` was called.
  [[nodiscard]] std::int64_t step_count() const { return step_count_; }
  /// Jumps to a step as if `step()` had been called that many times, and sets its rates. For
  /// resuming.
  void set_step(std::int64_t step);
  /// The groups' learning rates that the factors multiply.
  [[nodiscard]] std::vector<double> initial_rates() const;
  /// The groups' learning rates at a step. Errors as above.
  [[nodiscard]] std::vector<double> rates(std::int64_t step) const;

 protected:
  std::vector<double> get_lrs() override;

 private:
  torch::optim::Optimizer& target_;
  std::vector<double> initial_;  // of the groups that were there at the last step
  Schedule schedule_;
};

}  // namespace muon
