// muon train: from options to a trained network.
#pragma once

#include "train/train_options.hpp"

namespace cli {

/// Trains and evaluates as `options` say; prints the plan, progress and results; writes the run's
/// folder and summary. After a SIGINT or SIGTERM it finishes the step, saves a checkpoint and
/// prints how to resume.
/// Returns  0, or 128 + the signal that stopped it.
/// Errors   UsageError: options that do not fit together. std::runtime_error: data, disk, or a
///          training that diverged.
int train(const TrainOptions& options);

}  // namespace cli
