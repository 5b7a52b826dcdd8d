// muon train: from options to a trained network.
#pragma once

#include "train_options.hpp"

namespace cli {

/// Trains and evaluates as `options` say; prints the plan, progress and results; writes the run's folder and summary.
/// Errors   UsageError: options that do not fit together. std::runtime_error: data, disk, or a training that diverged.
void train(const TrainOptions& options);

}  // namespace cli
