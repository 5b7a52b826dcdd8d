// The state of a run: the row that is being collected, and the sinks it goes to.
#pragma once

#include <muon/track/run.hpp>

#include "track/host.hpp"
#include "track/merged_object.hpp"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace muon::track {

struct Run::State {
  /// A forked child never destroys the state: threads that the child does not have may hold the
  /// mutex, wait on the condition variable, or be in the middle of a record.
  static std::shared_ptr<State> make(RunInfo info, RunOptions options);

  /// Starts all sinks, or none if one fails.
  void start();
  void log(const Object& values, std::optional<std::int64_t> step, std::optional<bool> commit);
  /// Adds values to the row of the next `log` call, unless the run has finished.
  void add_to_next_row(const Object& values);
  void update_config(const Object& values);
  Object config_values() const;
  void define_metric(const MetricDefinition& metric);
  void finish(int exit_code);
  std::vector<Problem> problems() const;
  void add_problem(const std::string& what, const std::string& first);
  /// How many models were watched before this one.
  int count_watched_model();

  /// Whether this process is a fork of the one that started the run, and so must neither lock nor
  /// write.
  bool in_forked_child() const;
  /// False in a forked child.
  bool is_running() const;
  /// Errors   std::logic_error: the caller is a sink of this run, which would deadlock.
  void not_from_a_sink(const char* call) const;

  const RunInfo info;
  const std::vector<std::shared_ptr<Sink>> sinks;

 private:
  State(RunInfo run_info, RunOptions options);
  ~State();

  // The caller of these holds the lock.
  Row row_of(Object values) const;
  void write_row();
  void count_problem(const std::string& what, const std::string& first);
  /// Calls each sink in turn. An exception counts as a problem, and the other sinks are called
  /// nevertheless.
  void for_each_sink(const char* lost, const std::function<void(Sink&)>& call);

  void sample_system();

  mutable std::mutex mutex_;  // for everything below that is not constant or atomic
  MergedObject config_;
  MergedObject row_;          // the current row
  MergedObject next_row_;     // from watches, for the row of the next `log` call
  MergedObject last_values_;  // for every name
  std::int64_t step_ = 0;
  Time row_time_;
  std::map<std::string, Problem> problems_;  // by `what`
  int watched_models_ = 0;
  bool finished_ = false;

  const int process_;
  std::atomic<std::thread::id> in_sinks_{};  // the thread that is calling sinks

  const double system_metrics_interval_;
  std::condition_variable finished_cv_;
  std::thread system_;
};

}  // namespace muon::track
