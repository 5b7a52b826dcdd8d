// muon/track/watch.hpp: logs histograms and norms of a model's gradients and parameters.
//
//     auto watch = muon::track::watch(
//         run, *model, {.log = muon::track::Log::all, .log_freq = 100});
//     loss.backward();                  // every 100th time: measures the gradients
//     optimizer.step();
//     watch.step();                     // every 100th time: measures the parameters; may be left
//                                       // out where only gradients are watched
//     run.log({{"train/loss", loss}});  // writes all of it in one row
//
// Names    "gradients/fc1.weight" and "parameters/fc1.weight" are histograms;
//          "gradient_norms/fc1.weight" and "parameter_norms/fc1.weight" are Frobenius norms, which
//          are not finite if a value is not. The second model that is watched in a run has
//          "gradients/graph_1fc1.weight" and so on, as in W&B.
// Cost     two passes over each parameter on steps that are measured; on other steps a counter per
//          parameter
#pragma once

#include <muon/export.hpp>
#include <muon/track/run.hpp>

#include <cstdint>
#include <memory>

namespace torch::nn {
class Module;
}

namespace muon::track {

enum class Log { gradients, parameters, all };

struct WatchOptions {
  Log log = Log::gradients;
  /// measure on every log_freq-th backward pass or step, counted from 1
  std::int64_t log_freq = 1000;
  std::int64_t bins = 64;  ///< bins of a histogram, 1 to 512
  /// the count to start from: the steps that a resumed run has already made
  std::int64_t start = 0;
};

/// Keeps hooks on a model's parameters and unregisters them when destroyed. Run, model and Watch
/// may be destroyed in any order; after the run has finished, nothing is measured.
///
/// Safety   Backward passes of one model must not run at the same time in several threads, and none
///          may run during `unwatch` or the destructor.
class MUON_API Watch {
 public:
  Watch(Watch&&) noexcept;
  Watch& operator=(Watch&&) noexcept;
  ~Watch();

  /// Call once per training step. Measures the parameters if they are watched.
  void step();
  /// Unregisters the hooks. Calling it again does nothing.
  void unwatch();

 private:
  friend Watch watch(Run& run, const torch::nn::Module& model, WatchOptions options);
  struct State;
  static Watch begin(Run& run, const torch::nn::Module& model, const WatchOptions& options);
  explicit Watch(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

/// Starts watching `model`. Parameters that require no gradient have none to watch, and complex
/// parameters are left out. Tied parameters appear under their first name. A tensor that cannot be
/// measured is reported by Run::problems.
/// Errors   std::invalid_argument: log_freq below 1, start below 0, bins not in 1 to 512;
///          std::logic_error: the run has finished
[[nodiscard]] MUON_API Watch watch(Run& run, const torch::nn::Module& model,
                                   WatchOptions options = {});

}  // namespace muon::track
