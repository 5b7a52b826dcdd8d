#include "train/resume.hpp"

#include "cli/json_text.hpp"
#include "cli/print.hpp"
#include "cli/usage_error.hpp"
#include "train/make_optimizer.hpp"
#include "train/summary.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

namespace cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

muon::TrainingState training_state(const Run& run, std::int64_t step) {
  return {.model = *run.model,
          .optimizer = dynamic_cast<muon::GroupedOptimizer*>(run.optimizer.get()),
          .schedule = run.scheduler.get(),
          .step = step};
}

void compare_options(const Run& run, const Json& stored, std::vector<std::string>& problems) {
  std::vector<std::string> differences;
  const Json mine = numeric_options_json(run.options, run.steps);
  for (const auto& [key, value] : mine.items()) {
    const Json other = stored.value(key, Json());
    if (key != "steps" && other != value)
      differences.push_back(
          fmt::format("{} was {} and is {} now", key, json_text(other, -1), json_text(value, -1)));
  }
  if (!differences.empty())
    problems.push_back(
        fmt::format("give the run's own options again: {}", fmt::join(differences, ", ")));
}

/// The first completed step whose learning rates differ from those of a run of `before` steps.
std::optional<std::int64_t> first_other_rate(const Run& run, std::int64_t before,
                                             std::int64_t done) {
  const muon::Schedule was = make_schedule(run.options, before),
                       is = make_schedule(run.options, run.steps);
  for (std::int64_t step = 0; step < done; ++step) {
    if (was(step) != is(step)) return step;
  }
  return std::nullopt;
}

std::string length_option(const Run& run) {
  return run.options.steps ? fmt::format("--steps {}", run.steps)
                           : fmt::format("--epochs {} ({} steps)", run.options.epochs, run.steps);
}

void compare_length(const Run& run, std::int64_t before, std::int64_t done,
                    std::vector<std::string>& problems) {
  if (run.steps < done) {
    problems.push_back(
        fmt::format("{} is fewer than the {} steps that are done; give at least as many, or resume "
                    "an earlier checkpoint",
                    length_option(run), done));
    return;
  }
  if (run.steps == before || run.options.extend) return;
  const auto other = first_other_rate(run, before, done);
  if (!other) return;
  const bool has_stable_part = run.options.schedule == ScheduleKind::wsd;
  problems.push_back(fmt::format(
      "{} is another length than the {} steps that the run was meant to have, and its learning "
      "rates already depend on that (--schedule {}, since step {}); {}give the same length, or "
      "--extend: the learning rate then jumps from {:.3g} to {:.3g} of its full value",
      length_option(run), before, word_of(run.options.schedule), *other + 1,
      has_stable_part ? fmt::format("resume a checkpoint of step {} or before, ", *other) : "",
      make_schedule(run.options, before)(done), make_schedule(run.options, run.steps)(done)));
}

void check(const Run& run, const muon::CheckpointSummary& saved) {
  const auto stored = Json::parse(saved.notes.at("options"));
  const std::int64_t before = stored.at("steps"), warmup = stored.at("warmup");
  if (before < warmup) throw std::runtime_error("its warm-up is longer than the run");
  std::vector<std::string> problems;
  compare_options(run, stored, problems);
  if (warmup == run.options.warmup) compare_length(run, before, saved.step, problems);
  if (!problems.empty())
    throw UsageError(message("--resume: {}", fmt::format("{}", fmt::join(problems, "; and "))));
}

void say(const Run& run, const fs::path& file, const muon::CheckpointSummary& saved) {
  print("resumed after step {} from {}\n", saved.step, file);
  const std::int64_t before = Json::parse(saved.notes.at("options")).at("steps");
  if (before != run.steps) {
    print("{} steps in all instead of {}; learning rates now {}\n", run.steps, before,
          learning_rates(*run.optimizer));
  }
  print("\n");
}

}  // namespace

fs::path save(const Run& run, const RunFolder& folder, const Position& position,
              const std::string& track_id) {
  muon::TrainingState state = training_state(run, position.step);
  state.notes = position.notes();
  state.notes["options"] = numeric_options_json(run.options, run.steps)
                               .dump(-1, ' ', false, Json::error_handler_t::replace);
  if (!track_id.empty()) state.notes["track_id"] = track_id;
  return muon::save_checkpoint(folder.checkpoints, state, run.options.keep);
}

std::string resume(Run& run, const RunFolder& folder, Position& position) {
  const fs::path& file = *folder.resume_from;
  const muon::CheckpointSummary saved = muon::inspect_checkpoint(file);
  for (const char* note : {"options", "position", "results"}) {
    if (saved.notes.count(note) == 0)
      throw UsageError(message("--resume: {} was not written by muon train", file));
  }
  Position there = position;
  there.loss_sum = position.loss_sum.clone();
  try {
    check(run, saved);
    there.from_notes(saved.notes, saved.step, run.steps_an_epoch);
  } catch (const nlohmann::json::exception&) {
    throw std::runtime_error(
        message("--resume: {} is damaged: its notes are not what muon train writes", file));
  } catch (const std::runtime_error& error) {
    throw UsageError(message("--resume: {}: {}", file, error.what()));
  }
  muon::load_checkpoint(file, training_state(run, saved.step));
  position = std::move(there);
  say(run, file, saved);
  const auto id = saved.notes.find("track_id");
  return id == saved.notes.end() ? "" : id->second;
}

}  // namespace cli
