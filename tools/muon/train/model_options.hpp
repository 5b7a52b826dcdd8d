// Options of muon train that depend on --model: those of the language model, and defaults.
#pragma once

#include "train/train_options.hpp"

namespace cli {

/// Declares the language model's options on `command`.
void add_language_model_options(CLI::App& command, TrainOptions& options);

/// After parsing: gives options that were not given the defaults of the model.
/// Errors   CLI::ValidationError naming the option: one that is not the model's, sizes that do not
///          fit together.
void fit_to_model(const CLI::App& command, TrainOptions& options);

}  // namespace cli
