// A run's options and its results per epoch, in the form that summaries and checkpoints share.
#pragma once

#include "train/data/training_data.hpp"
#include "train/train_options.hpp"

#include <muon/plan/plan.hpp>

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace cli {

/// Of an epoch; for a text, of the steps between two evaluations.
struct EpochResult {
  std::int64_t epoch, step;
  double train_loss;
  Evaluation test;
  double seconds;
};

/// JSON has no NaN and no infinity: they are written as null, and null is read as NaN.
double number(const nlohmann::json& json);

nlohmann::ordered_json results_json(const std::vector<EpochResult>& results);
std::vector<EpochResult> results_from_json(const nlohmann::json& json);

/// `steps` in all.
nlohmann::ordered_json options_json(const TrainOptions& options, std::int64_t steps);

/// The options on which the numbers depend; a resumed run must have the same.
nlohmann::ordered_json numeric_options_json(const TrainOptions& options, std::int64_t steps);

std::string summary_json(const TrainOptions& options, const std::optional<muon::Plan>& plan,
                         std::int64_t steps, double seconds,
                         const std::vector<EpochResult>& results);

}  // namespace cli
