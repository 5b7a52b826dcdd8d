#include "run_state.hpp"

#include "utf8.hpp"
#include "value_json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <utility>

namespace muon::track {

void Values::set(const Object& values) {
  for (const auto& [raw, value] : values) {
    std::string name = valid_utf8(raw);
    const auto [known, is_new] = index_.emplace(name, values_.size());
    if (is_new) {
      values_.emplace_back(std::move(name), valid(value));
    } else if (std::holds_alternative<Object>(value.get())) {
      Object both{std::move(values_[known->second])};
      merge(both, {{name, value}});
      values_[known->second] = std::move(both.front());
    } else {
      values_[known->second].second = valid(value);
    }
  }
}

void Values::clear() {
  values_.clear();
  index_.clear();
}

Run::State::State(RunInfo run_info, RunOptions options)
    : info(std::move(run_info)), sinks(std::move(options.sinks)), row_time_(info.start), system_every_(options.system_every) {
  merge(config, options.config);
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
  if (system_every_ > 0 && !sinks.empty()) system_ = std::thread([this] { follow_system(); });
}

void Run::State::for_each_sink(const char* lost, const std::function<void(Sink&)>& call) {
  for (const auto& sink : sinks) {
    try {
      call(*sink);
    } catch (const std::exception& error) {
      Problem& problem = problems_[fmt::format("{}: {} not written", sink->name(), lost)];
      if (problem.count++ == 0) problem.first = error.what();
    }
  }
}

double Run::State::runtime() const {
  return std::chrono::duration<double>(std::chrono::system_clock::now() - info.start).count();
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

void Run::State::log(const Object& values, std::optional<std::int64_t> step, std::optional<bool> commit) {
  const std::lock_guard lock(mutex);
  if (finished) return;
  if (step && *step < step_) {
    Problem& problem = problems_["log calls with a step smaller than the one before, whose values were dropped"];
    if (problem.count++ == 0) problem.first = fmt::format("step {} after step {}", *step, step_);
    return;
  }
  if (step && *step > step_) {
    flush();
    step_ = *step;
  }
  row_.set(coming_.get());
  coming_.clear();
  row_.set(values);
  row_time_ = std::chrono::system_clock::now();
  if (commit.value_or(!step.has_value())) {
    flush();
    ++step_;
  }
}

void Run::State::add(const Object& values) {
  const std::lock_guard lock(mutex);
  if (!finished) coming_.set(values);
}

void Run::State::update_config(const Object& values) {
  const std::lock_guard lock(mutex);
  if (finished) return;
  merge(config, values);
  Object changes;
  for (const auto& [name, value] : config) {
    const bool changed = std::any_of(values.begin(), values.end(), [&](const auto& e) { return valid_utf8(e.first) == name; });
    if (changed) changes.emplace_back(name, value);  // whole, objects too
  }
  for_each_sink("config updates", [&](Sink& sink) { sink.config(changes, config); });
}

void Run::State::finish(int exit_code) {
  {
    const std::lock_guard lock(mutex);
    if (finished) return;
    row_.set(coming_.get());
    flush();
    finished = true;
    const Row last = row_of(last_.get());
    for_each_sink("the end", [&](Sink& sink) { sink.finish(exit_code, last); });
  }
  over_.notify_all();
  if (system_.joinable()) system_.join();
}

void Run::State::follow_system() {
  SystemFigures figures;
  figures.read();
  const auto period = std::chrono::duration<double>(system_every_);
  std::unique_lock lock(mutex);
  while (!over_.wait_for(lock, period, [this] { return finished; })) {
    const Row row = row_of(figures.read());
    for_each_sink("system figures", [&](Sink& sink) { sink.system(row); });
  }
}

std::vector<std::string> Run::State::problem_texts() const {
  const std::lock_guard lock(mutex);
  std::vector<std::string> texts;
  for (const auto& [what, problem] : problems_)
    texts.push_back(fmt::format("{} {}; first: {}", problem.count, what, problem.first));
  return texts;
}

}  // namespace muon::track
