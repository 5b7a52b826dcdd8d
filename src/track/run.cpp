#include <muon/track/run.hpp>

#include "track/formats/enum_names.hpp"
#include "track/formats/utf8.hpp"
#include "track/run_state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <random>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace muon::track {
namespace {

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// The option, or if it is empty the environment variable, as valid UTF-8.
std::string text_or(const std::string& option, const char* variable) {
  return valid_utf8(option.empty() ? environment(variable) : option);
}

std::string random_id() {
  constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz0123456789";
  std::random_device source;
  std::uniform_int_distribution<std::size_t> any(0, letters.size() - 1);
  std::string id;
  for (int i = 0; i < 8; ++i) id += letters[any(source)];
  return id;
}

std::size_t characters(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

/// Applies W&B's rules, and refuses an id that would leave the folder.
void check(const RunInfo& info) {
  const auto refuse = [](const std::string& what) {
    throw std::invalid_argument("[track] " + what);
  };
  const std::string& id = info.id;
  if (id.empty() || id.find_first_of(":;,#?/'") != std::string::npos || id.front() == ' ' ||
      id.back() == ' ' || id == "." || id == ".." || id.size() > 128 ||
      std::any_of(id.begin(), id.end(), [](char c) { return c >= 0 && c < ' '; })) {
    refuse(
        fmt::format("id '{:.200}' (WANDB_RUN_ID): 1 to 128 characters, none of : ; , # ? / ', no "
                    "control characters, no spaces at its ends",
                    id));
  }
  if (characters(info.project) > 128 || info.project.find_first_of("/\\#?%:") != std::string::npos)
    refuse(fmt::format(
        "project '{:.200}' (WANDB_PROJECT): at most 128 characters, none of / \\ # ? % :",
        info.project));
  for (const std::string& tag : info.tags) {
    if (tag.empty() || characters(tag) > 64)
      refuse(fmt::format("tag '{:.200}' (WANDB_TAGS): 1 to 64 characters", tag));
  }
}

std::vector<std::string> tags_of(const RunOptions& options) {
  std::vector<std::string> tags;
  std::string all = environment("WANDB_TAGS");
  if (!options.tags.empty() || all.empty()) {
    for (const std::string& tag : options.tags) tags.push_back(valid_utf8(tag));
    return tags;
  }
  all += ',';
  for (std::size_t begin = 0, end; (end = all.find(',', begin)) != std::string::npos;
       begin = end + 1) {
    if (end > begin) tags.push_back(valid_utf8(all.substr(begin, end - begin)));
  }
  return tags;
}

RunInfo info_of(const RunOptions& options) {
  RunInfo info;
  info.id = text_or(options.id, "WANDB_RUN_ID");
  if (info.id.empty()) info.id = random_id();
  info.project = text_or(options.project, "WANDB_PROJECT");
  info.name = text_or(options.name, "WANDB_NAME");
  info.entity = text_or(options.entity, "WANDB_ENTITY");
  info.group = text_or(options.group, "WANDB_RUN_GROUP");
  info.job_type = text_or(options.job_type, "WANDB_JOB_TYPE");
  info.notes = text_or(options.notes, "WANDB_NOTES");
  info.tags = tags_of(options);
  info.dir = options.dir.empty() ? std::filesystem::path(environment("WANDB_DIR")) : options.dir;
  if (info.dir.empty()) info.dir = ".";
  info.start = std::chrono::system_clock::now();
  const std::time_t now = std::chrono::system_clock::to_time_t(info.start);
  std::tm local{};
  ::localtime_r(&now, &local);
  std::array<char, 32> stamp{};
  std::strftime(stamp.data(), stamp.size(), "%Y%m%d_%H%M%S", &local);
  info.stamp = stamp.data();
  check(info);
  return info;
}

void check(const MetricDefinition& metric) {
  const auto star = metric.name.find('*');
  if (metric.name.empty() || (star != std::string::npos && star + 1 != metric.name.size()))
    throw std::invalid_argument(fmt::format(
        "[track] define_metric: name '{}' needs a text, with a * only at its end", metric.name));
  const auto refuse = [&](const char* what, int number, const char* type) {
    throw std::invalid_argument(
        fmt::format("[track] define_metric: {} {} of '{}' is not an enumerator of {}", what, number,
                    metric.name, type));
  };
  if (metric.summary && !is_enumerator(*metric.summary))
    refuse("summary", static_cast<int>(*metric.summary), "MetricSummary");
  if (metric.goal && !is_enumerator(*metric.goal))
    refuse("goal", static_cast<int>(*metric.goal), "MetricGoal");
}

}  // namespace

Run init(RunOptions options) {
  const std::string mode = environment("WANDB_MODE");
  if (mode == "disabled")
    std::erase_if(options.sinks,
                  [](const auto& sink) { return sink != nullptr && sink->name() == "wandb"; });
  if (!mode.empty() && mode != "disabled" && mode != "offline" && mode != "online" &&
      mode != "dryrun")
    throw std::invalid_argument(
        fmt::format("[track] WANDB_MODE '{}' is unknown; set it to offline or disabled", mode));
  if (!(options.system_metrics_interval >= 0 && options.system_metrics_interval <= 1e6))
    throw std::invalid_argument(
        fmt::format("[track] system_metrics_interval must be in 0 to 1000000 seconds; got {}",
                    options.system_metrics_interval));
  for (const auto& sink : options.sinks) {
    if (sink == nullptr) throw std::invalid_argument("[track] sinks holds a null pointer");
  }
  RunInfo info = info_of(options);
  auto state = Run::State::make(std::move(info), std::move(options));
  state->start();
  return Run(std::move(state));
}

Run::Run(std::shared_ptr<State> state)
    : state_(std::move(state)), exceptions_(std::uncaught_exceptions()) {}
Run::Run(Run&&) noexcept = default;

Run& Run::operator=(Run&& other) noexcept {
  if (this != &other) {
    abandon();
    state_ = std::move(other.state_);
    exceptions_ = other.exceptions_;
  }
  return *this;
}

Run::~Run() { abandon(); }

/// Finishes a run that is being destroyed.
void Run::abandon() noexcept {
  try {
    finish(std::uncaught_exceptions() > exceptions_ ? 1 : 0);
  } catch (...) {  // out of memory for the last row, or called by a sink
  }
}

/// Null in a forked child, whose calls do nothing.
Run::State* Run::usable(const char* call) const {
  if (state_ == nullptr)
    throw std::logic_error(fmt::format("[track] {} on a run that was moved from", call));
  if (state_->in_forked_child()) return nullptr;
  state_->not_from_a_sink(call);
  if (!state_->is_running()) throw std::logic_error(fmt::format("[track] {} after finish", call));
  return state_.get();
}

void Run::log(const Object& values, std::optional<std::int64_t> step, std::optional<bool> commit) {
  if (State* const state = usable("log")) state->log(values, step, commit);
}

void Run::Config::update(const Object& values) {
  if (State* const state = run_.usable("config().update")) state->update_config(values);
}

Object Run::Config::values() const {
  const bool readable = run_.state_ != nullptr && !run_.state_->in_forked_child();
  return readable ? run_.state_->config_values() : Object();
}

void Run::define_metric(const MetricDefinition& metric) {
  check(metric);
  MetricDefinition clean = metric;
  clean.name = valid_utf8(metric.name);
  clean.step_metric = valid_utf8(metric.step_metric);
  if (State* const state = usable("define_metric")) state->define_metric(clean);
}

void Run::finish(int exit_code) {
  if (state_ != nullptr && !state_->in_forked_child()) state_->finish(exit_code);
}

const RunInfo& Run::info() const {
  if (state_ == nullptr) throw std::logic_error("[track] info of a run that was moved from");
  return state_->info;
}

const std::vector<std::shared_ptr<Sink>>& Run::sinks() const {
  if (state_ == nullptr) throw std::logic_error("[track] sinks of a run that was moved from");
  return state_->sinks;
}

std::vector<Problem> Run::problems() const {
  const bool readable = state_ != nullptr && !state_->in_forked_child();
  return readable ? state_->problems() : std::vector<Problem>();
}

std::string Problem::to_string() const {
  const std::string times = count == 1 ? "once" : fmt::format("{} times", count);
  return fmt::format("{} ({}); first: {}", what, times, first);
}

}  // namespace muon::track
