// muon/track/run.hpp: tracks one training run. The calls are those of Python's wandb:
//
//     auto run = muon::track::init({.project = "mnist", .config = {{"lr", 0.02}}});  // init
//     run.config().update({{"layers", 3}});                            // config.update
//     run.define_metric({.name = "val/*", .step_metric = "epoch"});    // define_metric
//     auto watch = muon::track::watch(run, *model, {.log_freq = 10});  // watch
//     run.log({{"train/loss", loss}});                                 // log(...)
//     run.log({{"train/loss", loss}}, 7);                              // log(..., step=7)
//     run.finish();                                                    // finish
//
// Options that are left empty are taken from the environment, as in Python: WANDB_PROJECT,
// WANDB_ENTITY, WANDB_NAME, WANDB_NOTES, WANDB_RUN_ID, WANDB_RUN_GROUP, WANDB_JOB_TYPE, WANDB_TAGS
// (separated by commas) and WANDB_DIR. WANDB_MODE=disabled leaves out the W&B sink; offline is the
// default, and online and dryrun mean offline here.
#pragma once

#include <muon/export.hpp>
#include <muon/track/sink.hpp>
#include <muon/track/wandb.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace muon::track {

struct RunOptions {
  std::string project = "";  ///< at most 128 characters, none of / \ # ? % :
  std::string name = "";
  Object config = {};
  std::filesystem::path dir = {};  ///< empty: WANDB_DIR, or else the current folder
  std::vector<std::shared_ptr<Sink>> sinks = {wandb_offline()};
  /// none of : ; , # ? / ', no spaces at its ends; a resumed run may keep its id. Empty: random
  std::string id = "";
  std::string entity = "", group = "", job_type = "", notes = "";
  std::vector<std::string> tags = {};  ///< each of 1 to 64 characters
  /// seconds between samples of processor and memory use (W&B takes 15); 0: no samples
  double system_metrics_interval = 0;
};

/// Data that was lost while training continued.
struct MUON_API Problem {
  std::string what;        ///< "wandb: rows not written"
  std::int64_t count = 0;  ///< how often it happened
  std::string first;       ///< the reason, the first time

  /// "wandb: rows not written (12 times); first: ..."
  [[nodiscard]] std::string to_string() const;
};

/// A run, from `init` to `finish`. The destructor finishes it, with exit code 1 if an exception is
/// unwinding the stack.
///
/// Rows       A call of `log` without a step adds its values to the current row, writes the row and
///            moves on to the next step. A call with a step greater than the current one first
///            writes the current row and starts a new one; with the same step it adds to the row;
///            with a smaller step its values are dropped and counted as a problem. `commit`
///            overrides this: false keeps the row open, true writes it. If a name comes twice in a
///            row its last value counts; objects merge.
/// Cost       logging 10 numbers takes 10 to 22 microseconds per sink: one write to the file, no
///            flush to the disk
/// Problems   Training continues whatever happens to a file. Rows that a sink could not write (a
///            full disk) and values that came too late are counted and reported by `problems`.
///            Everything written before stays readable.
/// Threads    All calls may be made from several threads at once, except for moving and destroying
///            the run.
/// Processes  A run belongs to the process that started it. In a forked child all calls do nothing
///            and return at once, whatever other threads were doing at the time of the fork:
///            nothing is written, and `config().values()` and `problems()` are empty. The child's
///            copy of the run and its sinks is never destroyed, so it costs the child memory.
class MUON_API Run {
 public:
  Run(Run&&) noexcept;
  Run& operator=(Run&&) noexcept;
  ~Run();

  /// Errors   std::invalid_argument: an invalid histogram, and nothing is logged; std::logic_error:
  ///          the run has finished
  void log(const Object& values, std::optional<std::int64_t> step = std::nullopt,
           std::optional<bool> commit = std::nullopt);

  class Config {
   public:
    /// Merges objects entry by entry; any other value replaces the old one. Takes time in
    /// proportion to `values`, plus what the sinks take: JSON lines repeat the whole config.
    void update(const Object& values);
    [[nodiscard]] Object values() const;

   private:
    friend class Run;
    explicit Config(Run& run) : run_(run) {}
    Run& run_;
  };
  [[nodiscard]] Config config() { return Config(*this); }

  /// Errors   std::invalid_argument: an empty name, a "*" before the end of the name, an unknown
  ///          summary or goal
  void define_metric(const MetricDefinition& metric);

  /// Writes the last row and ends the run. Calling it again does nothing; `log`, `define_metric`,
  /// `watch` and `config().update` throw std::logic_error from then on.
  void finish(int exit_code = 0);

  [[nodiscard]] const RunInfo& info() const;
  [[nodiscard]] const std::vector<std::shared_ptr<Sink>>& sinks() const;
  /// Everything that was lost so far, one entry per kind, sorted by `what`.
  [[nodiscard]] std::vector<Problem> problems() const;

 private:
  friend Run init(RunOptions options);
  friend class Watch;
  struct State;
  explicit Run(std::shared_ptr<State> state);
  State* usable(const char* call) const;
  void abandon() noexcept;
  std::shared_ptr<State> state_;
  int exceptions_ = 0;  // that were unwinding when the run was made
};

/// Starts a run and its sinks. If a sink fails to start, those before it are finished with exit
/// code 1.
/// Errors   std::invalid_argument naming the option; std::runtime_error from a sink
[[nodiscard]] MUON_API Run init(RunOptions options = {});

}  // namespace muon::track
