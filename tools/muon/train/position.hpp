// How far a run is, and what it has reached so far.
#pragma once

#include "train/summary.hpp"

#include <torch/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace cli {

struct Position {
  std::int64_t step = 0;     ///< steps done
  std::int64_t epoch = 1;    ///< at work,
  std::int64_t batches = 0;  ///< of which so many batches are done
  torch::Tensor loss_sum;    ///< of those; on the device, since reading it waits
  std::vector<EpochResult> results;

  /// The beginning of a run.
  explicit Position(torch::Device device);

  /// The mean training loss of the epoch so far. Waits for the device.
  double loss() const;

  /// Goes on to the next epoch.
  void end_epoch();

  /// For a checkpoint, and out of one after `step` steps. A run that ended inside an epoch, because
  /// it had no more steps, has a result of that part of it; `from_notes` takes it back, since the
  /// epoch goes on.
  /// Errors   std::runtime_error: epochs of another length than `steps_an_epoch`.
  ///          nlohmann::json::exception: no such notes.
  std::map<std::string, std::string> notes() const;
  void from_notes(const std::map<std::string, std::string>& notes, std::int64_t step,
                  std::int64_t steps_an_epoch);
};

}  // namespace cli
