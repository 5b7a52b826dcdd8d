// Stopping and resuming: saves a run as a checkpoint, and restores it.
#pragma once

#include "train/make_run.hpp"
#include "train/position.hpp"
#include "train/run_folder.hpp"

#include <filesystem>
#include <string>

namespace cli {

/// Saves everything that the rest of the run depends on. `track_id` may be empty.
std::filesystem::path save(const Run& run, const RunFolder& folder, const Position& position,
                           const std::string& track_id);

/// Resumes from `folder.resume_from`, and says so. The run must have the options of the saved one.
/// Its length may differ if the completed steps had the learning rates that they have with the new
/// length, as with a constant schedule, or with warm-up, stable, decay before the decay begins; the
/// result is then that of a run of this length from the start. With --extend the length may always
/// differ, and the learning rate jumps.
///
/// Returns  the track_id that was saved.
/// Errors   UsageError: other options, fewer steps than are completed, a length that needs
///          --extend. std::runtime_error: a file that cannot be read or does not fit this model and
///          optimizer. Nothing has changed then.
std::string resume(Run& run, const RunFolder& folder, Position& position);

}  // namespace cli
