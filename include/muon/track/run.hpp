// muon/track/run.hpp: one training run that is watched. The calls are those of Python's wandb:
//
//     auto run = muon::track::init({.project = "mnist", .config = {{"lr", 0.02}}});   // wandb.init
//     run.config().update({{"layers", 3}});                                           // wandb.config.update
//     run.define_metric({.name = "val/*", .step_metric = "epoch"});                   // wandb.define_metric
//     auto watch = muon::track::watch(run, *model, {.log_freq = 10});                 // wandb.watch
//     run.log({{"train/loss", loss}});                                                // wandb.log
//     run.log({{"train/loss", loss}}, 7);                                             // wandb.log(..., step=7)
//     run.finish();                                                                   // wandb.finish
//
// Environment, as for Python and used where an option is left empty: WANDB_PROJECT, WANDB_ENTITY, WANDB_NAME, WANDB_NOTES,
// WANDB_RUN_ID, WANDB_RUN_GROUP, WANDB_JOB_TYPE, WANDB_TAGS (with commas), WANDB_DIR, and WANDB_MODE: offline; disabled,
// then the sink for W&B is left out; online and dryrun are taken for offline.
#pragma once

#include <muon/track/sink.hpp>
#include <muon/track/wandb.hpp>

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
  std::filesystem::path dir = {};  ///< empty: WANDB_DIR, or the current folder
  std::vector<std::shared_ptr<Sink>> sinks = {wandb_offline()};
  std::string id = "";  ///< empty: random. Not : ; , # ? / ', nor spaces at its ends. A resumed run may have its old one
  std::string entity = "", group = "", job_type = "", notes = "";
  std::vector<std::string> tags = {};  ///< 1 to 64 characters each
  double system_metrics_interval = 0;             ///< seconds between figures of processor and memory; 0: none. W&B's own period is 15
};

/// Something that was lost while training went on.
struct Problem {
  std::string what;        ///< "wandb: rows not written"
  std::int64_t count = 0;  ///< how often
  std::string first;       ///< the reason of the first time

  /// "wandb: rows not written (12 times); first: ..."
  std::string to_string() const;
};

/// Moves, and is safe to call from several threads. Its destructor finishes the run, with exit code 1 while an exception unwinds.
///
/// Rows     `log` gathers one row. Without a step it ends the row and the step counts up. With a step greater than the
///          current one, the row before is written and a new one begun; with the same step it is added to; with a smaller
///          one the values are dropped, which is a problem (below). `commit` says otherwise: false only adds, true ends the row.
///          A name that comes again in one row has its last value.
/// Cost     a log call of 10 numbers takes 10 to 22 microseconds a sink: one write to the file, no flush to the disk
/// Problems Training goes on whatever happens to a file: rows that a sink could not write (a full disk), values that
///          came too late, are counted, and told by `problems`. What was written before stays readable.
class Run {
 public:
  Run(Run&&) noexcept;
  Run& operator=(Run&&) noexcept;
  ~Run();

  void log(const Object& values, std::optional<std::int64_t> step = std::nullopt, std::optional<bool> commit = std::nullopt);

  class Config {
   public:
    /// Objects are merged; any other value replaces. The whole config is in each sink from then on.
    void update(const Object& values);
    Object values() const;

   private:
    friend class Run;
    explicit Config(Run& run) : run_(run) {}
    Run& run_;
  };
  Config config() { return Config(*this); }

  /// Errors   std::invalid_argument: no name, a "*" not at its end, an unknown summary or goal
  void define_metric(const MetricDefinition& metric);

  /// Writes the last row and ends the run; again: nothing. After it, `log` and the rest are std::logic_error.
  void finish(int exit_code = 0);

  const RunInfo& info() const;
  const std::vector<std::shared_ptr<Sink>>& sinks() const;
  /// What was lost so far, one a kind, in the order of their names.
  std::vector<Problem> problems() const;

 private:
  friend Run init(RunOptions options);
  friend class Watch;
  struct State;
  explicit Run(std::shared_ptr<State> state);
  State& running(const char* call) const;
  std::shared_ptr<State> state_;
  int exceptions_ = 0;  // unwinding when it was made
};

/// Begins a run.
/// Errors   std::invalid_argument naming the option; std::runtime_error of a sink. Sinks that had begun are then finished with 1.
[[nodiscard]] Run init(RunOptions options = {});

}  // namespace muon::track
