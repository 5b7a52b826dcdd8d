// The folder of a run: the trained model, the summary, and checkpoints/; naming, finding and
// resuming runs.
#pragma once

#include "train/train_options.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace cli {

struct RunFolder {
  std::filesystem::path path;
  std::filesystem::path checkpoints;                 ///< --checkpoint, or inside it
  std::optional<std::filesystem::path> resume_from;  ///< a checkpoint file
  bool made = false;                                 ///< created by this run
  /// while they are held, no other run writes to these folders
  std::shared_ptr<void> lock, checkpoints_lock;
};

/// Finds what --resume names and the folder that belongs to it. Creates nothing.
/// Errors   UsageError: nothing to resume from; a folder that holds the result of another run.
RunFolder find_run_folder(const TrainOptions& options);

/// Creates and locks the folder for a run of `steps` in total. A folder with a result of fewer
/// steps may be continued from one of its own checkpoints.
/// Errors   UsageError: the result of another run, checkpoints from which this one does not
///          continue, or another run in progress there. std::runtime_error: the folder cannot be
///          created or written.
void make_run_folder(RunFolder& folder, std::int64_t steps);

/// "muon train --epochs 3 --resume runs/a": the command line that continues a run with `options`
/// from `folder`.
std::string resume_command(const TrainOptions& options, const std::filesystem::path& folder);

}  // namespace cli
