#include "track/run_state.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <exception>
#include <limits>
#include <new>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace muon::track {

Run::State::State(RunInfo run_info, RunOptions options)
    : info(std::move(run_info)),
      sinks(std::move(options.sinks)),
      row_time_(info.start),
      process_(::getpid()),
      system_metrics_interval_(options.system_metrics_interval) {
  config_.merge(valid(options.config));
}

Run::State::~State() {
  if (system_.joinable()) system_.join();
}

std::shared_ptr<Run::State> Run::State::make(RunInfo info, RunOptions options) {
  return {new State(std::move(info), std::move(options)), [](State* state) {
            if (!state->in_forked_child()) delete state;
          }};
}

bool Run::State::in_forked_child() const { return process_ != ::getpid(); }

void Run::State::start() {
  for (std::size_t i = 0; i < sinks.size(); ++i) {
    try {
      sinks[i]->start(info, config_.get());
    } catch (...) {
      for (std::size_t k = 0; k < i; ++k) {
        try {
          sinks[k]->finish(1, row_of({}));
        } catch (...) {  // the first failure is the one to report
        }
      }
      throw;
    }
  }
  if (system_metrics_interval_ <= 0 || sinks.empty()) return;
  try {
    system_ = std::thread([this] { sample_system(); });
  } catch (const std::system_error& error) {
    add_problem("system metrics not written", error.what());
  }
}

void Run::State::for_each_sink(const char* lost, const std::function<void(Sink&)>& call) {
  in_sinks_ = std::this_thread::get_id();
  for (const auto& sink : sinks) {
    if (in_forked_child()) return;  // a sink has forked
    const auto not_written = [&](const char* why) {
      count_problem(fmt::format("{}: {} not written", sink->name(), lost), why);
    };
    try {
      call(*sink);
    } catch (const std::exception& error) {
      not_written(error.what());
    } catch (...) {
      not_written("it threw something that is not a std::exception");
    }
  }
  in_sinks_ = std::thread::id();
}

void Run::State::not_from_a_sink(const char* call) const {
  if (in_sinks_.load() == std::this_thread::get_id())
    throw std::logic_error(fmt::format("[track] {} was called by a sink of the same run", call));
}

bool Run::State::is_running() const {
  if (in_forked_child()) return false;
  const std::lock_guard lock(mutex_);
  return !finished_;
}

void Run::State::count_problem(const std::string& what, const std::string& first) {
  ++problems_.emplace(what, Problem{what, 0, first}).first->second.count;
}

void Run::State::add_problem(const std::string& what, const std::string& first) {
  const std::lock_guard lock(mutex_);
  count_problem(what, first);
}

int Run::State::count_watched_model() {
  const std::lock_guard lock(mutex_);
  return watched_models_++;
}

Row Run::State::row_of(Object values) const {
  const Time now = std::chrono::system_clock::now();
  return {step_, now, std::chrono::duration<double>(now - info.start).count(), std::move(values)};
}

void Run::State::write_row() {
  if (row_.get().empty()) return;
  const Row row{step_, row_time_, std::chrono::duration<double>(row_time_ - info.start).count(),
                row_.get()};
  last_values_.merge(row.values);
  row_.clear();
  for_each_sink("rows", [&](Sink& sink) { sink.row(row); });
}

void Run::State::log(const Object& raw, std::optional<std::int64_t> step,
                     std::optional<bool> commit) {
  const Object values = valid(raw);
  const std::lock_guard lock(mutex_);
  if (finished_) return;
  if (step && *step < step_) {
    return count_problem(
        "log calls with a step smaller than the one before, whose values were dropped",
        fmt::format("step {} after step {}", *step, step_));
  }
  if (step && *step > step_) {
    write_row();
    step_ = *step;
  }
  row_.merge(next_row_.get());
  next_row_.clear();
  row_.merge(values);
  row_time_ = std::chrono::system_clock::now();
  if (commit.value_or(!step.has_value())) {
    write_row();
    if (step_ < std::numeric_limits<std::int64_t>::max()) ++step_;
  }
}

void Run::State::add_to_next_row(const Object& raw) {
  const Object values = valid(raw);
  const std::lock_guard lock(mutex_);
  if (!finished_) next_row_.merge(values);
}

void Run::State::update_config(const Object& raw) {
  const Object values = valid(raw);
  const std::lock_guard lock(mutex_);
  if (finished_) return;
  config_.merge(values);
  const Object changes = config_.entries_named_in(values);  // whole entries, including objects
  for_each_sink("config updates", [&](Sink& sink) { sink.config(changes, config_.get()); });
}

Object Run::State::config_values() const {
  not_from_a_sink("config().values");
  const std::lock_guard lock(mutex_);
  return config_.get();
}

void Run::State::define_metric(const MetricDefinition& metric) {
  const std::lock_guard lock(mutex_);
  if (finished_) return;
  for_each_sink("definitions of metrics", [&](Sink& sink) { sink.define_metric(metric); });
}

void Run::State::finish(int exit_code) {
  not_from_a_sink("finish");
  {
    const std::lock_guard lock(mutex_);
    if (finished_) return;
    finished_ = true;
    try {
      row_.merge(next_row_.get());
      write_row();
      const Row last = row_of(last_values_.get());
      for_each_sink("the end", [&](Sink& sink) { sink.finish(exit_code, last); });
    } catch (const std::bad_alloc&) {
      count_problem("the end not written", "no memory");
    }
  }
  finished_cv_.notify_all();
  if (system_.joinable()) system_.join();
}

void Run::State::sample_system() {
  SystemMetrics metrics;  // starts counting processor time
  const auto period = std::chrono::duration<double>(system_metrics_interval_);
  std::unique_lock lock(mutex_);
  while (!finished_cv_.wait_for(lock, period, [this] { return finished_; })) {
    try {
      const Row row = row_of(metrics.read());
      for_each_sink("system metrics", [&](Sink& sink) { sink.system(row); });
    } catch (const std::exception& error) {
      count_problem("system metrics not written", error.what());
    }
    if (in_forked_child()) return;  // a sink has forked
  }
}

std::vector<Problem> Run::State::problems() const {
  not_from_a_sink("problems");
  const std::lock_guard lock(mutex_);
  std::vector<Problem> all;
  for (const auto& [what, problem] : problems_) all.push_back(problem);
  return all;
}

}  // namespace muon::track
