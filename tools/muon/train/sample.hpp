// --sample: what a trained language model writes.
#pragma once

#include "cli/stop_signal.hpp"
#include "train/make_run.hpp"

#include <string>

namespace cli {

/// Prints `beginning` and a few hundred bytes that the model writes after it, each drawn from its
/// probabilities at --temperature. The same seed and model give the same text. Ends early when a
/// signal has come.
void print_sample(const Run& run, const std::string& beginning, const StopSignal& stop);

}  // namespace cli
