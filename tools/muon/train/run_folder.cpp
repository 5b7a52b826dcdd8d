#include "train/run_folder.hpp"

#include "cli/usage_error.hpp"
#include "cli/output_file.hpp"
#include "cli/shell_word.hpp"

#include <muon/state/checkpoint.hpp>

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <system_error>

namespace cli {
namespace {

namespace fs = std::filesystem;

fs::path new_name(const std::string& model) {
  const std::string name = fmt::format("{:%Y%m%d-%H%M%S}-{}", fmt::localtime(std::time(nullptr)), model);
  fs::path path = fs::path("runs") / name;
  for (int i = 2; fs::exists(path); ++i) path = fs::path("runs") / fmt::format("{}-{}", name, i);
  return path;
}

/// A lock on a folder for as long as it lives; null if another process has it. A killed process holds none.
std::shared_ptr<void> lock(const fs::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return nullptr;
  const std::shared_ptr<void> holder(nullptr, [descriptor](void*) { ::close(descriptor); });
  const bool taken = ::flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno == ENOLCK || errno == EOPNOTSUPP;
  return taken ? std::shared_ptr<void>(holder, reinterpret_cast<void*>(1)) : nullptr;
}

/// The newest run of this model in runs/ that was stopped: it has a checkpoint and no summary. Names begin with the time.
fs::path newest_stopped(const std::string& model) {
  fs::path newest;
  std::error_code error;
  for (fs::directory_iterator entry("runs", error), end; !error && entry != end; entry.increment(error)) {
    const fs::path& path = entry->path();
    const bool of_model = path.filename().string().find("-" + model) != std::string::npos;
    if (of_model && path > newest && !fs::exists(path / "summary.json") && muon::latest_checkpoint(path / "checkpoints") &&
        lock(path) != nullptr) {
      newest = path;
    }
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
    throw UsageError(fmt::format("--resume: {} holds no stopped run of {}; give --resume a checkpoint or a run's folder",
                                 (fs::current_path() / "runs").string(), o.model));
  return found;
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
      throw UsageError(fmt::format("--resume: {} holds no checkpoint (step-*.safetensors)", from.string()));
  }
  if (folder.path.empty()) folder.path = new_name(o.model);
  folder.checkpoints = o.checkpoint.empty() ? folder.path / "checkpoints" : fs::path(o.checkpoint);
  return folder;
}

void make_run_folder(RunFolder& folder) {
  if (!folder.resume_from && muon::latest_checkpoint(folder.checkpoints)) {
    throw UsageError(fmt::format("{} holds checkpoints of another run; go on with --resume, or give another folder",
                                 folder.checkpoints.string()));
  }
  std::error_code error;
  folder.made = fs::create_directories(folder.path, error);
  if (error) throw std::runtime_error(fmt::format("--run-dir {} cannot be made: {}", folder.path.string(), error.message()));
  if (fs::exists(folder.path / "summary.json")) {
    throw UsageError(fmt::format("--run-dir {} holds the result of another run; give another folder", folder.path.string()));
  }
  check_writable(folder.path / "summary.json");
  folder.lock = lock(folder.path);
  if (folder.lock == nullptr) throw UsageError(fmt::format("another muon train is at work in {}", folder.path.string()));
  if (folder.checkpoints == folder.path / "checkpoints") return;
  fs::create_directories(folder.checkpoints, error);
  if (error)
    throw std::runtime_error(fmt::format("--checkpoint {} cannot be made: {}", folder.checkpoints.string(), error.message()));
  folder.checkpoints_lock = lock(folder.checkpoints);
  if (folder.checkpoints_lock == nullptr)
    throw UsageError(fmt::format("another muon train is at work in {}", folder.checkpoints.string()));
}

std::string resume_command(const TrainOptions& o, const fs::path& folder) {
  std::string command = muon::shell_word(o.program) + " train";
  for (std::size_t i = 0; i < o.arguments.size(); ++i) {
    const std::string& argument = o.arguments[i];
    if (argument == "--resume") {
      if (i + 1 < o.arguments.size() && !o.arguments[i + 1].starts_with("-")) ++i;
    } else if (!argument.starts_with("--resume=")) {
      command += " " + muon::shell_word(argument);
    }
  }
  return fmt::format("{} --resume {}", command, muon::shell_word(folder.string()));
}

}  // namespace cli
