// Stopping and going on: a run as a checkpoint, and back.
#pragma once

#include "train/make_run.hpp"
#include "train/position.hpp"
#include "train/run_folder.hpp"

#include <filesystem>
#include <string>

namespace cli {

/// Saves all that the numbers of the rest of the run depend on. `track_id` may be empty.
std::filesystem::path save(const Run& run, const RunFolder& folder, const Position& position,
                           const std::string& track_id);

/// Goes on from `folder.resume_from`, and prints so. The run must have the options of the one that
/// was saved. Its length may be another if the learning rates of the steps done are those of that
/// length too, as they are under a constant schedule and before the decay of warm-up, stable,
/// decay; then the numbers are those of a run that had this length from the start. With --extend it
/// may be another in any case, and the learning rate jumps.
///
/// Returns  the track_id that was saved.
/// Errors   UsageError: other options, fewer steps than are done, a length that needs --extend.
///          std::runtime_error: a file that cannot be read, or is not what this model and optimizer
///          can go on from. Nothing has been changed then.
std::string resume(Run& run, const RunFolder& folder, Position& position);

}  // namespace cli
