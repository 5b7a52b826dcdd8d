// A checkpoint's contents into a training.
#pragma once

#include <muon/state/checkpoint.hpp>

#include "optim/pending_restore.hpp"
#include "state/safetensors_file.hpp"

namespace muon::checkpoint {

/// Everything of the file that does not fit, and the changes to make if all does.
/// Errors   What reading the file throws; nlohmann::json::exception for metadata that this library
///          does not write.
PendingRestore prepare_load(const SafetensorsFile& file, const TrainingState& training,
                            const LoadTolerance& allow);

}  // namespace muon::checkpoint
