// muon/track/record.hpp: the data that a run hands to its sinks, and the series that are read back.
// Plain data: nothing here knows of sinks, runs or file formats.
#pragma once

#include <muon/track/value.hpp>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace muon::track {

using Time = std::chrono::system_clock::time_point;

/// Everything that is known about a run when it begins. All texts are valid UTF-8; all but `id`,
/// `dir` and `stamp` may be empty.
struct RunInfo {
  std::string id;  ///< the one given, or eight random characters out of a to z and 0 to 9
  std::string project;
  std::string name;
  std::string entity, group, job_type, notes;
  std::vector<std::string> tags;
  std::filesystem::path dir;  ///< the folder below which sinks write
  Time start;
  std::string stamp;  ///< `start` in local time: 20261231_235959
};

/// The values that were logged under one step. No name occurs twice, and all texts and names are
/// valid UTF-8.
struct Row {
  std::int64_t step = 0;
  Time time;           ///< when the last `log` call of the row was made
  double runtime = 0;  ///< seconds between the start of the run and `time`
  Object values;
};

/// Which value of a metric stands for the run.
enum class MetricSummary {
  min,
  max,
  mean,
  best,  ///< the greatest with MetricGoal::maximize, else the least
  last,
  first,
  none,  ///< no value
  copy,  ///< the last value under the metric's own name, as without a definition
};

enum class MetricGoal { minimize, maximize };

/// How to chart and summarize a metric. A `name` that ends in "*" stands for every name with that
/// prefix.
struct MetricDefinition {
  std::string name;
  std::string step_metric = "";  ///< the metric on the x axis; empty: the step
  std::optional<MetricSummary> summary = std::nullopt;  ///< without one: as MetricSummary::copy
  std::optional<MetricGoal> goal = std::nullopt;        ///< for MetricSummary::best and the charts
  bool hidden = false;                                  ///< true: without a chart of its own
};

/// One metric over time, as it is read back. The three vectors have the same length.
struct Series {
  std::vector<std::int64_t> steps;
  std::vector<double> values;  ///< may be NaN or infinite
  std::vector<double> times;   ///< seconds since 1970; NaN where unknown
};

}  // namespace muon::track
