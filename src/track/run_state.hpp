// A run at work: the row that is being gathered, and the sinks it goes to.
#pragma once

#include <muon/track/run.hpp>

#include "track/host.hpp"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace muon::track {

/// Names and values, valid ones; a name that comes again is merged with what it had.
class Values {
 public:
  void set(const Object& values);
  void clear();
  const Object& get() const { return values_; }

 private:
  Object values_;
  std::unordered_map<std::string, std::size_t> index_;
};

struct Run::State {
  explicit State(RunInfo run_info, RunOptions options);
  ~State();

  /// Starts the sinks, all or none.
  void start();
  void log(const Object& values, std::optional<std::int64_t> step, std::optional<bool> commit);
  /// For the row that the next log call adds to, if the run is not over.
  void add(const Object& values);
  void update_config(const Object& values);
  void finish(int exit_code);
  bool is_running() const;
  void add_problem(const std::string& what, const std::string& first);
  /// Errors   std::logic_error: the caller is a sink of this run, which would wait for itself.
  void not_from_a_sink(const char* call) const;

  const RunInfo info;
  const std::vector<std::shared_ptr<Sink>> sinks;
  mutable std::mutex mutex;  // of all that follows
  Object config;
  bool finished = false;
  int watched = 0;  // models

  std::vector<Problem> problems() const;
  /// Each sink in turn; what one throws is a problem and does not keep the others from theirs. The lock is held.
  void for_each_sink(const char* lost, const std::function<void(Sink&)>& call);

 private:
  Row row_of(Object values) const;
  void flush();
  void sample_system();
  void count_problem(const std::string& what, const std::string& first);

  Values row_, pending_, last_;
  std::int64_t step_ = 0;
  Time row_time_;
  std::map<std::string, Problem> problems_;  // by `what`

  const int process_;                        // a forked child leaves the files alone
  std::atomic<std::thread::id> in_sinks_{};  // the thread that is calling them

  double system_metrics_interval_;
  std::condition_variable finished_cv_;
  std::thread system_;
};

}  // namespace muon::track
