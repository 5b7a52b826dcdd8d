// muon/track/watch.hpp: every parameter's gradients and values as histograms and norms.
//
//     auto watch = muon::track::watch(run, *model, {.log = muon::track::Log::all, .log_freq = 100});
//     loss.backward();     // gradients are looked at here, every 100th time
//     optimizer.step();
//     watch.step();        // parameters here, every 100th time; not needed for gradients
//     run.log({{"train/loss", loss}});   // writes them, in the same row
//
// Names    "gradients/fc1.weight", "parameters/fc1.weight" (histograms); "gradient_norms/fc1.weight", "parameter_norms/..."
//          (Frobenius, not finite if a value is not). Later models of one run are called "gradients/graph_1fc1.weight", as in
//          W&B.
// Cost     nothing but a count on other steps; two passes over the parameter on those that it looks
#pragma once

#include <muon/track/run.hpp>

#include <memory>

namespace torch::nn {
class Module;
}

namespace muon::track {

enum class Log { gradients, parameters, all };

struct WatchOptions {
  Log log = Log::gradients;
  std::int64_t log_freq = 1000;  ///< looks at the log_freq-th backward or step, and every log_freq-th after it
  std::int64_t bins = 64;        ///< 1 to 512
  std::int64_t start = 0;        ///< backwards and steps that count as gone by: those of a run before it was resumed
};

/// Ends when it goes. Run, model and watch may go in any order; a watch whose run is over looks at nothing. One model's backwards
/// must not run in several threads at once, nor while `unwatch` does.
class Watch {
 public:
  Watch(Watch&&) noexcept;
  Watch& operator=(Watch&&) noexcept;
  ~Watch();

  /// Counts a training step, for parameters.
  void step();
  /// Takes the hooks off the parameters; again: nothing.
  void unwatch();

 private:
  friend Watch watch(Run& run, const torch::nn::Module& model, WatchOptions options);
  struct State;
  static Watch begin(Run& run, const torch::nn::Module& model, const WatchOptions& options);
  explicit Watch(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

/// Parameters that require no gradient have no gradients to watch; complex ones are left out. What cannot be counted is one of
/// Run::problems. Tied ones have one name, the first.
/// Errors   std::invalid_argument: log_freq below 1, start below 0, bins not in 1 to 512
[[nodiscard]] Watch watch(Run& run, const torch::nn::Module& model, WatchOptions options = {});

}  // namespace muon::track
