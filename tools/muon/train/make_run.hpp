// From the options to all that a training needs.
#pragma once

#include "train/data/training_data.hpp"
#include "train/models/model.hpp"
#include "train/train_options.hpp"

#include <muon/muon.hpp>

#include <cstdint>
#include <memory>
#include <optional>

namespace cli {

struct Run {
  TrainOptions options;  ///< as they are used: a batch is at most the data
  torch::TensorOptions tensor_options;
  std::unique_ptr<TrainingData> data;  ///< none for --plan-only
  std::shared_ptr<Model> model;
  std::optional<muon::Plan> plan;
  std::unique_ptr<torch::optim::Optimizer> optimizer;
  std::unique_ptr<muon::LambdaLR> scheduler;
  std::int64_t steps_an_epoch = 0;
  std::int64_t steps = 0;  ///< in all
};

/// Checks the options and makes data, model and plan, so far that the plan can be printed. Makes no
/// file.
/// Errors   UsageError: options that do not fit together. std::runtime_error: data that cannot be
///          read, a summary that cannot be written.
Run make_run(const TrainOptions& options);

/// The rest: its length, the optimizer and its schedule.
/// Errors   UsageError: a length that cannot be.
void make_trainable(Run& run);

}  // namespace cli
