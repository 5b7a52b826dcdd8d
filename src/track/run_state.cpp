#include "track/run_state.hpp"

#include "track/formats/value_json.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <limits>
#include <new>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace muon::track {

void Values::set(const Object& values) {
  for (const auto& [name, value] : values) {
    const auto [known, is_new] = index_.emplace(name, values_.size());
    if (is_new) {
      values_.emplace_back(name, value);
    } else {
      put(values_[known->second].second, value);
    }
  }
}

void Values::clear() {
  values_.clear();
  index_.clear();
}

Run::State::State(RunInfo run_info, RunOptions options)
    : info(std::move(run_info)),
      sinks(std::move(options.sinks)),
      row_time_(info.start),
      process_(::getpid()),
      system_metrics_interval_(options.system_metrics_interval) {
  merge(config, valid(options.config));
}

Run::State::~State() {
  if (system_.joinable()) system_.join();
}

void Run::State::start() {
  for (std::size_t i = 0; i < sinks.size(); ++i) {
    try {
      sinks[i]->start(info, config);
    } catch (...) {
      for (std::size_t k = 0; k < i; ++k) {
        try {
          sinks[k]->finish(1, row_of({}));
        } catch (...) {  // the first failure is the one to tell
        }
      }
      throw;
    }
  }
  if (system_metrics_interval_ <= 0 || sinks.empty()) return;
  try {
    system_ = std::thread([this] { sample_system(); });
  } catch (const std::system_error& error) {
    add_problem("system figures not written", error.what());
  }
}

void Run::State::for_each_sink(const char* lost, const std::function<void(Sink&)>& call) {
  in_sinks_ = std::this_thread::get_id();
  for (const auto& sink : sinks) {
    const auto not_written = [&](const char* why) { count_problem(fmt::format("{}: {} not written", sink->name(), lost), why); };
    try {
      call(*sink);
    } catch (const std::exception& error) {
      not_written(error.what());
    } catch (...) {
      not_written("it threw something that is no std::exception");
    }
  }
  in_sinks_ = std::thread::id();
}

void Run::State::not_from_a_sink(const char* call) const {
  if (in_sinks_.load() == std::this_thread::get_id())
    throw std::logic_error(fmt::format("[track] {} was called by a sink of the same run", call));
}

bool Run::State::is_running() const {
  const std::lock_guard lock(mutex);
  return !finished;
}

void Run::State::count_problem(const std::string& what, const std::string& first) {
  ++problems_.emplace(what, Problem{what, 0, first}).first->second.count;
}

void Run::State::add_problem(const std::string& what, const std::string& first) {
  const std::lock_guard lock(mutex);
  count_problem(what, first);
}

Row Run::State::row_of(Object values) const {
  const Time now = std::chrono::system_clock::now();
  return {step_, now, std::chrono::duration<double>(now - info.start).count(), std::move(values)};
}

void Run::State::flush() {
  if (row_.get().empty()) return;
  const Row row{step_, row_time_, std::chrono::duration<double>(row_time_ - info.start).count(), row_.get()};
  last_.set(row.values);
  row_.clear();
  for_each_sink("rows", [&](Sink& sink) { sink.row(row); });
}

void Run::State::log(const Object& raw, std::optional<std::int64_t> step, std::optional<bool> commit) {
  const Object values = valid(raw);
  const std::lock_guard lock(mutex);
  if (finished || process_ != ::getpid()) return;
  if (step && *step < step_) {
    return count_problem("log calls with a step smaller than the one before, whose values were dropped",
                         fmt::format("step {} after step {}", *step, step_));
  }
  if (step && *step > step_) {
    flush();
    step_ = *step;
  }
  row_.set(pending_.get());
  pending_.clear();
  row_.set(values);
  row_time_ = std::chrono::system_clock::now();
  if (commit.value_or(!step.has_value())) {
    flush();
    if (step_ < std::numeric_limits<std::int64_t>::max()) ++step_;
  }
}

void Run::State::add(const Object& raw) {
  const Object values = valid(raw);
  const std::lock_guard lock(mutex);
  if (!finished) pending_.set(values);
}

void Run::State::update_config(const Object& raw) {
  const Object values = valid(raw);
  const std::lock_guard lock(mutex);
  if (finished) return;
  merge(config, values);
  Object changes;  // whole, objects too
  for (const auto& [name, value] : config) {
    if (std::any_of(values.begin(), values.end(), [&](const auto& entry) { return entry.first == name; }))
      changes.emplace_back(name, value);
  }
  for_each_sink("config updates", [&](Sink& sink) { sink.config(changes, config); });
}

void Run::State::finish(int exit_code) {
  not_from_a_sink("finish");
  {
    const std::lock_guard lock(mutex);
    if (finished) return;
    finished = true;
    if (process_ != ::getpid()) return system_.joinable() ? system_.detach() : void();  // its thread is not in this process
    try {
      row_.set(pending_.get());
      flush();
      const Row last = row_of(last_.get());
      for_each_sink("the end", [&](Sink& sink) { sink.finish(exit_code, last); });
    } catch (const std::bad_alloc&) {
      count_problem("the end not written", "no memory");
    }
  }
  finished_cv_.notify_all();
  if (system_.joinable()) system_.join();
}

void Run::State::sample_system() {
  SystemMetrics figures;  // the processor's time from now on
  const auto period = std::chrono::duration<double>(system_metrics_interval_);
  std::unique_lock lock(mutex);
  while (!finished_cv_.wait_for(lock, period, [this] { return finished; })) {
    try {
      const Row row = row_of(figures.read());
      for_each_sink("system figures", [&](Sink& sink) { sink.system(row); });
    } catch (const std::exception& error) {
      count_problem("system figures not written", error.what());
    }
  }
}

std::vector<Problem> Run::State::problems() const {
  not_from_a_sink("problems");
  const std::lock_guard lock(mutex);
  std::vector<Problem> all;
  for (const auto& [what, problem] : problems_) all.push_back(problem);
  return all;
}

}  // namespace muon::track
