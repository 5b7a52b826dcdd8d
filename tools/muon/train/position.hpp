// The progress of a run: its position, and its results so far.
#pragma once

#include "train/summary.hpp"

#include <torch/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace cli {

struct Position {
  std::int64_t step = 0;     ///< completed
  std::int64_t epoch = 1;    ///< the current one
  std::int64_t batches = 0;  ///< completed in this epoch
  torch::Tensor loss_sum;    ///< over those; on the device, since reading it waits
  std::vector<EpochResult> results;

  /// The start of a run.
  explicit Position(torch::Device device);

  /// The mean training loss of the epoch so far. Waits for the device.
  double loss() const;

  /// Moves on to the next epoch.
  void end_epoch();

  /// Conversion to a checkpoint's notes, and back after `step` steps. A run that ended inside an
  /// epoch, because its steps were used up, has a result for that part; `from_notes` drops it,
  /// since the epoch continues.
  /// Errors   std::runtime_error: epochs of another length than `steps_an_epoch`.
  ///          nlohmann::json::exception: no such notes.
  std::map<std::string, std::string> notes() const;
  void from_notes(const std::map<std::string, std::string>& notes, std::int64_t step,
                  std::int64_t steps_an_epoch);
};

}  // namespace cli
