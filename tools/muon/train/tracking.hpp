// The run of muon train as W&B, TensorBoard and any program that reads JSON see it.
#pragma once

#include "train/models/model.hpp"
#include "train/run_folder.hpp"
#include "train/summary.hpp"
#include "train/train_options.hpp"

#include <muon/track/run.hpp>
#include <muon/track/watch.hpp>

#include <torch/optim/optimizer.h>

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace cli {

/// Before anything is made.
/// Errors   UsageError: options that do not fit together, or that W&B refuses.
void check_tracking(const TrainOptions& options);

/// Nothing at all where --track was not given.
class Tracking {
 public:
  /// Begins the run in `folder`, going on after `step` with the id that it had. `options` and `plan` are its config.
  void start(const TrainOptions& options, const std::optional<muon::Plan>& plan, const RunFolder& folder, const Model& model,
             std::int64_t steps, std::int64_t step, const std::string& id);

  /// Around the optimizer's step that makes step number `step`.
  void before_step(std::int64_t step, torch::optim::Optimizer& optimizer);
  void after_step(std::int64_t step, torch::optim::Optimizer& optimizer, const torch::Tensor& loss);
  void epoch(const EpochResult& result);
  /// Prints how to look at it, and what was lost.
  void finish(int exit_code);

  /// To keep for a run that goes on; empty without tracking.
  std::string id() const { return run_ ? run_->info().id : ""; }

 private:
  bool is_logged(std::int64_t step) const { return run_ && step % every_ == 0; }
  void tell_problems();

  std::optional<muon::track::Run> run_;
  std::optional<muon::track::Watch> watch_;
  std::string program_;
  std::int64_t every_ = 1;
  std::vector<torch::Tensor> before_;  // the parameters, in the optimizer's order
  std::set<std::string> told_;         // kinds of problems
};

}  // namespace cli
