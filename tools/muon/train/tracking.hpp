// Tracks a run of muon train for W&B, TensorBoard, and programs that read JSON.
#pragma once

#include "train/models/model.hpp"
#include "train/run_folder.hpp"
#include "train/summary.hpp"
#include "train/train_options.hpp"

#include <muon/track/run.hpp>
#include <muon/track/watch.hpp>

#include <torch/optim/optimizer.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace cli {

/// Checks the options before anything is created.
/// Errors   UsageError: options that do not fit together, or that W&B refuses.
void check_tracking(const TrainOptions& options);

/// Writes nothing if --track was not given.
class Tracking {
 public:
  /// Starts the run in `folder`. A resumed run continues after `step` under its old `id`. `options`
  /// and `plan` become its config.
  void start(const TrainOptions& options, const std::optional<muon::Plan>& plan,
             const RunFolder& folder, const Model& model, std::int64_t steps, std::int64_t step,
             const std::string& id);

  /// Must be called before and after the optimizer's step number `step`.
  void before_step(std::int64_t step, torch::optim::Optimizer& optimizer);
  void after_step(std::int64_t step, torch::optim::Optimizer& optimizer, const torch::Tensor& loss);
  void epoch(const EpochResult& result);
  /// Prints how to view the run, and what was lost.
  void finish(int exit_code);

  /// The id under which the run can be resumed; empty without tracking.
  std::string id() const { return run_ ? run_->info().id : ""; }

 private:
  bool is_logged(std::int64_t step) const { return run_ && step % every_ == 0; }
  void report_problems();

  std::optional<muon::track::Run> run_;
  std::optional<muon::track::Watch> watch_;
  std::string program_;
  std::int64_t every_ = 1;
  std::vector<torch::Tensor> before_;  // the parameters, in the optimizer's order
  std::set<std::string> reported_;     // kinds of problems that have been reported
};

}  // namespace cli
