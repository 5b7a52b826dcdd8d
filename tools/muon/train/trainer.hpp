// The training loop.
#pragma once

#include "cli/stop_signal.hpp"
#include "train/make_run.hpp"
#include "train/position.hpp"
#include "train/progress.hpp"
#include "train/run_folder.hpp"
#include "train/tracking.hpp"

#include <string>

namespace cli {

/// Trains from a position to the end of the run, shows progress, saves checkpoints, and evaluates
/// after each epoch, or every --eval-every steps. Refers to its constructor's arguments.
class Trainer {
 public:
  Trainer(Run& run, const RunFolder& folder, Position& position, Tracking& tracking);

  /// A SIGINT or SIGTERM ends it after the current step.
  /// Returns  0, or that signal.
  /// Errors   std::runtime_error: a training that diverged, a checkpoint that cannot be written.
  int train(const StopSignal& stop);

  /// In this process, including evaluation.
  double seconds() const { return progress_.seconds(); }
  /// Erases the progress bar, so that a line can be printed.
  void clear_progress() { progress_.clear(); }

 private:
  bool train_epoch(const StopSignal& stop);
  void after_batch();
  torch::Tensor train_batch(const Batch& batch);
  void finish_epoch(double seconds_before);
  std::string label() const;
  std::string step_label() const;

  Run& run_;
  const RunFolder& folder_;
  Position& position_;
  Tracking& tracking_;
  Progress progress_;
};

}  // namespace cli
