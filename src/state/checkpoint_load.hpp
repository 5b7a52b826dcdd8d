// Loads a checkpoint's contents into a TrainingState.
#pragma once

#include <muon/state/checkpoint.hpp>

#include "optim/pending_restore.hpp"
#include "state/safetensors_file.hpp"

namespace muon::checkpoint {

/// Returns everything in the file that does not fit, and the changes to make if everything does.
/// Errors   those of reading the file; nlohmann::json::exception for metadata that this library
///          does not write.
PendingRestore prepare_load(const SafetensorsFile& file, const TrainingState& training,
                            const LoadTolerance& allow);

}  // namespace muon::checkpoint
