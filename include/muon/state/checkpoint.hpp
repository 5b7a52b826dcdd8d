// muon/state/checkpoint.hpp: saves a training run at any step and resumes it bit for bit.
//
// A checkpoint is one safetensors file, so any tool can look into it:
//     model/<name>                        parameters and buffers
//     optim/<name>/momentum_buffer        Muon's state; exp_avg, exp_avg_sq, step: AdamW's
//     random/cpu                          LibTorch's random state
// and metadata: the format's version, the step, the groups with all options, views and names, the
// schedules, and your notes. Everything is keyed by parameter name, so groups may change their
// order or move to an optimizer of their own, and every LibTorch from 1.13 to 2.14 reads it.
#pragma once

#include <muon/export.hpp>
#include <muon/optim/grouped_optimizer.hpp>
#include <muon/optim/load_tolerance.hpp>
#include <muon/optim/schedule.hpp>
#include <muon/plan/options.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace torch::nn {
class Module;
}
namespace torch::jit {
struct Module;
}

namespace muon {

/// A model's parameters and buffers by name, a tied tensor once with all its names. Made from a
/// model:
///     muon::NamedTensors(*model)
class MUON_API NamedTensors {
 public:
  struct Entry {
    std::vector<std::string> names;  ///< one, or those of a tie
    at::Tensor tensor;
  };

  NamedTensors() = default;
  NamedTensors(const torch::nn::Module& model);   // implicit: {.model = *model}
  NamedTensors(const torch::jit::Module& model);  // implicit

  [[nodiscard]] const std::vector<Entry>& entries() const& { return entries_; }
  // so that a loop over a temporary is safe
  [[nodiscard]] std::vector<Entry> entries() && { return std::move(entries_); }
  /// Null if the tensor does not belong to the model.
  [[nodiscard]] const Entry* find(const at::Tensor& tensor) const;

 private:
  void add(const std::string& name, const at::Tensor& tensor);

  std::vector<Entry> entries_;
  std::map<const c10::TensorImpl*, std::size_t> index_;
};

/// What is saved and restored. Each part may be left out.
///
/// Example  two optimizers side by side, each with its schedule:
///          muon::TrainingState{.model = *model, .optimizers = {&muon, &adamw},
///                              .schedules = {&muon_lr, &adamw_lr}, .step = step}
struct TrainingState {
  NamedTensors model = {};
  /// muon::Muon, muon::MuonWithAuxAdam or torch::optim::AdamW
  torch::optim::Optimizer* optimizer = nullptr;
  /// several of those; `optimizer` is the first of them if both are set
  std::vector<torch::optim::Optimizer*> optimizers = {};
  LambdaLR* schedule = nullptr;
  std::vector<LambdaLR*> schedules = {};  ///< as with optimizers
  std::int64_t step = 0;                  ///< stored; `load_checkpoint` returns it
  /// the state of LibTorch's default generators, CPU and CUDA
  bool random = true;
  /// Anything else to keep: data order, options, version. `load_checkpoint` returns it.
  std::map<std::string, std::string> notes = {};
};

struct LoadResult {
  std::filesystem::path file;
  std::int64_t step = 0;
  std::map<std::string, std::string> notes;
};

/// Writes a checkpoint. `where` is a file named *.safetensors, or a folder, which is created if
/// needed and gets step-<step>.safetensors; with `keep` > 0 only the newest `keep` checkpoints stay
/// in the folder. Parameters are stored under the model's names, or else the optimizer's (from a
/// plan, for example), or else their position ("parameter 3 of group 0").
///
/// Cost     Writes each byte once and flushes it to the disk. Memory for one tensor at a time, none
///          for contiguous CPU tensors. Reads the metadata of the folder's other checkpoints.
/// Errors   std::runtime_error naming the file and the reason (a full disk, a folder without write
///          permission); then older checkpoints are as they were. std::invalid_argument: a negative
///          step, tensors that cannot be stored, an optimizer of another class than those above, a
///          tensor in two of them.
/// Safety   The new file appears complete or not at all, also if the process is killed. Such a
///          process may leave one temporary file (muon-*.tmp) in the folder, which the next save
///          removes before it writes. One process writes to a folder.
/// Returns  the file.
MUON_API std::filesystem::path save_checkpoint(const std::filesystem::path& where,
                                               const TrainingState& training, int keep = 0);

/// Restores a checkpoint: a file, or the newest one of a folder. Tensors are written in place.
/// Learning rates and momentum are taken from the file, since schedules change them; all other
/// options must be equal.
///
/// Errors   std::runtime_error that names the file and lists everything that does not fit: damaged
///          bytes (there is a checksum), another format version, names missing or extra, shapes,
///          dtypes, options, views, schedules, a state whose next step would make NaN.
///          std::invalid_argument for optimizers as above. Nothing has changed then.
///
/// Example  auto restored = muon::load_checkpoint(
///              "runs/a", {.model = *model, .optimizer = &optimizer, .schedule = &scheduler});
///          for (std::int64_t step = restored.step; step < total; ++step) ...
MUON_API LoadResult load_checkpoint(const std::filesystem::path& where,
                                    const TrainingState& training, const LoadTolerance& allow = {});

/// The checkpoint of a folder that was written last, whatever its step and whatever the clock said;
/// none if the folder has none or does not exist. The order is stored in the files' metadata, so
/// each file's is read.
[[nodiscard]] MUON_API std::optional<std::filesystem::path> latest_checkpoint(
    const std::filesystem::path& folder);

/// A checkpoint's metadata.
struct CheckpointSummary {
  struct Parameter {
    std::string name;
    std::vector<std::int64_t> shape;
    std::string view;  ///< which matrices Muon read in it; empty under AdamW
  };
  struct Group {
    Algorithm algorithm = Algorithm::muon;
    /// name and value: "lr", "0.02"; lists as JSON
    std::vector<std::pair<std::string, std::string>> options;
    std::vector<Parameter> parameters;
  };
  struct Schedule {
    std::int64_t step = 0;
    std::vector<double> initial_rates;  ///< of its optimizer's groups
  };

  std::int64_t step = 0;
  std::string library;        ///< "muon 0.1.0, LibTorch 2.6.0"
  std::vector<Group> groups;  ///< of all optimizers, one after the other
  std::vector<Schedule> schedules;
  std::map<std::string, std::string> notes;
};

/// Errors   std::runtime_error: not a checkpoint, damaged, of a newer format. With `verify` every
///          byte is read and compared with the checksum.
[[nodiscard]] MUON_API CheckpointSummary inspect_checkpoint(const std::filesystem::path& file,
                                                            bool verify = false);

}  // namespace muon
