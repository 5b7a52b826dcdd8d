#include "inspect/inspect.hpp"

#include "cli/print.hpp"
#include "cli/usage_error.hpp"

#include <muon/state/checkpoint.hpp>
#include <muon/track/history.hpp>

#include <CLI/CLI.hpp>

#include <filesystem>
#include <stdexcept>
#include <system_error>

namespace cli {
namespace {

namespace fs = std::filesystem;

/// A run's folder has checkpoints too. Tracked data takes precedence; the folder checkpoints/
/// selects the others.
bool is_run(const std::string& path) {
  if (path.ends_with(".safetensors") || muon::latest_checkpoint(path)) return false;
  try {
    muon::track::History{path};
    return true;
  } catch (const std::runtime_error&) {
    // if it is neither, report the error for the format that it resembles
    return fs::is_regular_file(path) && (path.ends_with(".wandb") || path.ends_with(".jsonl") ||
                                         path.find("tfevents") != path.npos);
  }
}

}  // namespace

void add_inspect_options(CLI::App& command, InspectOptions& o) {
  command.footer(
      "A run is W&B's offline log, TensorBoard's event file, lines of JSON, or a folder with one "
      "of them.\n\n"
      "Examples:\n"
      "  muon inspect runs/20260102-030405-small_net      its metrics or, without --track, its "
      "newest checkpoint\n"
      "  muon inspect runs/a --metric train/loss --follow print values as they are logged\n"
      "  muon inspect runs/a runs/b --metric test/loss    two runs side by side\n"
      "  muon inspect step-00000100.safetensors --verify  read every byte and compare with the "
      "checksum");
  command
      .add_option("PATH", o.paths,
                  "A checkpoint, a folder of checkpoints, or a run; several runs are compared")
      ->required();
  command.option_defaults()->group("Runs");
  command.add_option("--metric", o.metrics, "Show this metric; repeatable [losses and accuracies]")
      ->allow_extra_args(false);
  command.add_flag("--follow", o.follow,
                   "Continue while the run is being written, until it ends or Ctrl-C");
  command.option_defaults()->group("Checkpoints");
  command.add_flag("--verify", o.verify, "Read every byte and compare with the checksum");
  command.option_defaults()->group("Output");
  command.add_flag("--json", o.json, "One JSON object, for programs");
}

void inspect(const InspectOptions& o) {
  for (const std::string& path : o.paths) {
    std::error_code error;
    if (!fs::exists(path, error))
      throw std::runtime_error(message("'{}' is not there", printable(path, 200)));
  }
  const bool run = o.paths.size() > 1 || (!o.verify && is_run(o.paths.front()));
  if (!run) {
    if (o.follow || !o.metrics.empty())
      throw UsageError(
          message("--metric and --follow are for runs, and {} is none: it has no metrics (--track)",
                  o.paths.front()));
    const fs::path path = o.paths.front();
    if (fs::is_regular_file(path) && path.extension() != ".safetensors")
      throw std::runtime_error(
          message("{} is neither a checkpoint (*.safetensors) nor a tracked run", path));
    return inspect_checkpoint(o);
  }
  if (o.verify) throw UsageError("--verify is for checkpoints; give one of them alone");
  if (o.follow && (o.json || o.paths.size() > 1))
    throw UsageError("--follow is for one run, and not for --json");
  inspect_runs(o);
}

}  // namespace cli
