#include "train/run_folder.hpp"

#include "cli/output_file.hpp"
#include "cli/print.hpp"
#include "cli/shell_word.hpp"
#include "cli/usage_error.hpp"

#include <muon/state/checkpoint.hpp>

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <ctime>
#include <fstream>
#include <stdexcept>
#include <system_error>

namespace cli {
namespace {

namespace fs = std::filesystem;

fs::path new_name(const std::string& model) {
  const std::string name =
      fmt::format("{:%Y%m%d-%H%M%S}-{}", fmt::localtime(std::time(nullptr)), model);
  fs::path path = fs::path("runs") / name;
  for (int i = 2; fs::exists(path); ++i) path = fs::path("runs") / fmt::format("{}-{}", name, i);
  return path;
}

/// A lock on a folder for the lifetime of the object; null if another process holds it. A killed
/// process holds no lock.
std::shared_ptr<void> lock(const fs::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return nullptr;
  const std::shared_ptr<void> holder(nullptr, [descriptor](void*) { ::close(descriptor); });
  const bool taken =
      ::flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno == ENOLCK || errno == EOPNOTSUPP;
  return taken ? std::shared_ptr<void>(holder, reinterpret_cast<void*>(1)) : nullptr;
}

/// The number of steps of the run whose result the folder holds; none without a result, and 0 if
/// the result cannot be read.
std::optional<std::int64_t> steps_of_result(const fs::path& folder) {
  const fs::path file = folder / "summary.json";
  if (!fs::exists(file)) return std::nullopt;
  std::ifstream in(file);
  const auto json = nlohmann::json::parse(in, nullptr, /*allow_exceptions=*/false);
  const auto steps = json.is_object() ? json.find("steps") : json.end();
  return steps != json.end() && steps->is_number_integer() ? steps->get<std::int64_t>() : 0;
}

/// Whether the folder has a checkpoint and no result, or a result of fewer steps than the
/// checkpoint.
bool is_stopped(const fs::path& folder) {
  const auto newest = muon::latest_checkpoint(folder / "checkpoints");
  if (!newest) return false;
  const auto result = steps_of_result(folder);
  try {
    return !result || (*result > 0 && *result < muon::inspect_checkpoint(*newest).step);
  } catch (const std::runtime_error&) {
    return false;  // the checkpoint is damaged, but there is a result
  }
}

/// The newest stopped run of this model in runs/. Names begin with the time.
fs::path newest_stopped(const std::string& model) {
  fs::path newest;
  std::error_code error;
  for (fs::directory_iterator entry("runs", error), end; !error && entry != end;
       entry.increment(error)) {
    const fs::path& path = entry->path();
    const bool of_model = path.filename().string().find("-" + model) != std::string::npos;
    if (of_model && path > newest && is_stopped(path) && lock(path) != nullptr) newest = path;
  }
  return newest;
}

/// What --resume names: a checkpoint, a folder of them, a run's folder, or "latest".
fs::path named_by_resume(const TrainOptions& o) {
  if (o.resume != "latest") return o.resume;
  if (!o.checkpoint.empty()) return o.checkpoint;
  if (!o.run_dir.empty()) return o.run_dir;
  const fs::path found = newest_stopped(o.model);
  if (found.empty())
    throw UsageError(message(
        "--resume: {} holds no stopped run of {}; give --resume a checkpoint or a run's folder",
        (fs::current_path() / "runs"), o.model));
  return found;
}

/// Errors   UsageError: a result from which a run of `steps` in this folder would not continue
void check_result(const RunFolder& folder, std::int64_t steps) {
  const auto result = steps_of_result(folder.path);
  if (!result) return;
  std::error_code error;
  const bool own = folder.resume_from &&
                   fs::equivalent(folder.resume_from->parent_path(), folder.checkpoints, error);
  if (!own || *result == 0)
    throw UsageError(
        message("--run-dir {} holds the result of another run; give another folder", folder.path));
  if (*result >= steps) {
    throw UsageError(
        message("--run-dir {} holds the result of this run after {} steps; give more --steps or "
                "--epochs to train longer, or another folder",
                folder.path, *result));
  }
}

}  // namespace

RunFolder find_run_folder(const TrainOptions& o) {
  RunFolder folder;
  folder.path = o.run_dir;
  if (!o.resume.empty()) {
    fs::path from = named_by_resume(o);
    if (fs::is_directory(from / "checkpoints")) {
      if (folder.path.empty()) folder.path = from;
      from /= "checkpoints";
    }
    folder.resume_from = fs::is_directory(from) ? muon::latest_checkpoint(from)
                         : fs::exists(from)     ? std::optional(from)
                                                : std::nullopt;
    if (!folder.resume_from)
      throw UsageError(
          message("--resume: {} holds no checkpoint (step-*.safetensors); a run writes one with "
                  "--save-every, or when it is stopped",
                  from));
  }
  if (folder.path.empty()) folder.path = new_name(o.model);
  folder.checkpoints = o.checkpoint.empty() ? folder.path / "checkpoints" : fs::path(o.checkpoint);
  return folder;
}

void make_run_folder(RunFolder& folder, std::int64_t steps) {
  if (!folder.resume_from && muon::latest_checkpoint(folder.checkpoints)) {
    throw UsageError(
        message("{} holds checkpoints of another run; resume it with --resume, or give another folder",
                folder.checkpoints));
  }
  std::error_code error;
  folder.made = fs::create_directories(folder.path, error);
  if (error)
    throw std::runtime_error(
        message("--run-dir {} cannot be created: {}", folder.path, error.message()));
  check_result(folder, steps);
  check_writable(folder.path / "summary.json");
  folder.lock = lock(folder.path);
  if (folder.lock == nullptr)
    throw UsageError(message("another muon train is at work in {}", folder.path));
  if (folder.checkpoints == folder.path / "checkpoints") return;
  fs::create_directories(folder.checkpoints, error);
  if (error)
    throw std::runtime_error(
        message("--checkpoint {} cannot be created: {}", folder.checkpoints, error.message()));
  folder.checkpoints_lock = lock(folder.checkpoints);
  if (folder.checkpoints_lock == nullptr)
    throw UsageError(message("another muon train is at work in {}", folder.checkpoints));
}

std::string resume_command(const TrainOptions& o, const fs::path& folder) {
  std::string command = shell_word(o.program) + " train";
  for (std::size_t i = 0; i < o.arguments.size(); ++i) {
    const std::string& argument = o.arguments[i];
    if (argument == "--resume") {
      if (i + 1 < o.arguments.size() && !o.arguments[i + 1].starts_with("-")) ++i;
    } else if (!argument.starts_with("--resume=")) {
      command += " " + shell_word(argument);
    }
  }
  return fmt::format("{} --resume {}", command, shell_word(folder));
}

}  // namespace cli
