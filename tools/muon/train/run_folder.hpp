// The folder of a run: the trained model, the summary, and checkpoints/; how a run is named, found
// and gone on with.
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
  bool made = false;                                 ///< by this run
  /// while they are held, no other run writes there
  std::shared_ptr<void> lock, checkpoints_lock;
};

/// Finds what --resume names and the folder that goes with it; makes nothing.
/// Errors   UsageError: nothing to resume from; a folder that holds the result of another run.
RunFolder find_run_folder(const TrainOptions& options);

/// Makes the folder and takes its lock, for a run of `steps` in all. A folder with the result of
/// fewer steps may be gone on with from a checkpoint of its own.
/// Errors   UsageError: the result of another run, checkpoints that this one does not go on from,
///          or another run at work there. std::runtime_error: it cannot be made or written.
void make_run_folder(RunFolder& folder, std::int64_t steps);

/// "muon train --epochs 3 --resume runs/a": the command line of `options`, to go on from `folder`.
std::string resume_command(const TrainOptions& options, const std::filesystem::path& folder);

}  // namespace cli
