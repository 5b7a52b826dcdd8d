// muon/track/sink.hpp: where a run is written. A sink of your own derives from Sink:
//
//     struct Printer : muon::track::Sink {
//       std::string name() const override { return "printer"; }
//       void row(const muon::track::Row& row) override { std::cout << row.step << ": " << row.values.size() << " values\n"; }
//     };
//     auto run = muon::track::init({.project = "mnist", .sinks = {std::make_shared<Printer>()}});
//
// A sink is used by one run, by one thread at a time, and must not call its run. What it throws loses that call's data and not
// the run: see Run::problems.
#pragma once

#include <muon/track/value.hpp>

#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace muon::track {

using Time = std::chrono::system_clock::time_point;

/// What is known when a run begins.
struct RunInfo {
  std::string id;       ///< 8 of a to z and 0 to 9, or as given
  std::string project;  ///< may be empty, as all that follows
  std::string name;
  std::string entity, group, job_type, notes;
  std::vector<std::string> tags;
  std::filesystem::path dir;  ///< below which sinks write
  Time start;
  std::string stamp;  ///< of `start` in local time: 20261231_235959
};

/// What was logged under one step: no name twice; texts, names included, are valid UTF-8.
struct Row {
  std::int64_t step = 0;
  Time time;           ///< of the last log call of the row
  double runtime = 0;  ///< seconds since the start
  Object values;
};

/// What a chart of a metric needs to know. `name` may end in "*" and then stands for all that begin so.
struct MetricDefinition {
  std::string name;
  std::string step_metric = "";  ///< the x axis, if not the step
  std::string summary = "";      ///< which of its values is the run's: min, max, mean, best, last, first, none, copy; empty: last
  std::string goal = "";         ///< minimize, maximize
  bool hidden = false;
};

class Sink {
 public:
  virtual ~Sink() = default;
  /// In messages.
  virtual std::string name() const = 0;
  /// What it throws ends `init`.
  virtual void start(const RunInfo&, const Object& /*config*/) {}
  /// `changes` were set in a running run; `config` is the whole after that.
  virtual void config(const Object& /*changes*/, const Object& /*config*/) {}
  virtual void define_metric(const MetricDefinition&) {}
  virtual void row(const Row& row) = 0;
  /// Figures of the machine (RunOptions::system_metrics_interval), named as W&B names them: "cpu", "proc.memory.rssMB", ...
  virtual void system(const Row&) {}
  /// `last` has the last value of every name. Nothing is called after this.
  virtual void finish(int /*exit_code*/, const Row& /*last*/) {}
  /// How a person looks at it: "tensorboard --logdir runs/a".
  virtual std::string view_hint() const { return ""; }
  /// What it writes to; empty if nothing on a disk.
  virtual std::filesystem::path path() const { return {}; }
};

}  // namespace muon::track
