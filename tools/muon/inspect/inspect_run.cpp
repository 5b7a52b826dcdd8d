#include "cli/json_text.hpp"
#include "cli/print.hpp"
#include "cli/stop_signal.hpp"
#include "cli/usage_error.hpp"
#include "inspect/curve.hpp"
#include "inspect/inspect.hpp"
#include "track/formats/non_finite.hpp"

#include <muon/track/history.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace cli {
namespace {

using Json = nlohmann::ordered_json;
using muon::track::History;
using muon::track::Series;
constexpr int columns = 64, rows = 6;

Json number_json(double value) {
  if (std::isfinite(value)) return value;
  return muon::track::non_finite_word(value);
}

Json json_of(const History& run) {
  Json json{
      {"id", run.id()}, {"project", run.project()}, {"name", run.name()}, {"files", Json::array()}};
  for (const auto& file : run.files()) json["files"].push_back(file.string());
  json["exit_code"] = run.exit_code() ? Json(*run.exit_code()) : Json();
  json["problems"] = run.problems();
  json["config"] = Json::object();
  for (const auto& [name, text] : run.config()) {
    const Json value = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    json["config"][name] = value.is_discarded() ? Json(text) : value;  // such as a bare NaN
  }
  json["metrics"] = Json::object();
  for (const auto& [name, series] : run.series()) {
    Json values = Json::array();
    for (const double value : series.values) values.push_back(number_json(value));
    json["metrics"][name] = Json{{"steps", series.steps}, {"values", values}};
  }
  json["others"] = run.others();
  return json;
}

std::vector<double> as_doubles(const std::vector<std::int64_t>& steps) {
  return {steps.begin(), steps.end()};
}

void print_curve(const std::string& title, const Series& series, Axis steps, Axis values) {
  print("\n{}\n", title);
  for (const std::string& line :
       curve(as_doubles(series.steps), series.values, steps, values, columns, rows))
    print("{}\n", line);
  print("{:>11}{:<{}}{}\n", "", fmt::format("{:.0f}", steps.least), columns - 8,
        fmt::format("{:>8.0f}", steps.greatest));
}

void check_metrics(const InspectOptions& o, const std::set<std::string>& names) {
  for (const std::string& name : o.metrics) {
    if (names.count(name) == 0) {
      throw UsageError(message("--metric: nothing was logged as '{}'; there is: {}", name,
                               printable(fmt::format("{}", fmt::join(names, ", ")), 1000)));
    }
  }
}

/// The metrics that were asked for. By default losses and accuracies, or else the first ones.
std::vector<std::string> chosen(const InspectOptions& o, const std::set<std::string>& names) {
  check_metrics(o, names);
  std::vector<std::string> result = o.metrics;
  for (const std::string& name : names) {
    const bool wanted = name.find("loss") != name.npos || name.find("accuracy") != name.npos;
    if (o.metrics.empty() && wanted && result.size() < 4) result.push_back(name);
  }
  if (result.empty() && !names.empty()) result.push_back(*names.begin());
  return result;
}

std::set<std::string> names_in(const History& run) {
  std::set<std::string> names;
  for (const auto& [name, series] : run.series()) names.insert(name);
  return names;
}

std::string state_of(const History& run) {
  if (!run.exit_code()) return "running, or killed";
  return *run.exit_code() == 0 ? "finished"
                               : fmt::format("ended with exit code {}", *run.exit_code());
}

/// Errors   std::runtime_error: what could not be read, after showing the rest
void check_whole(const std::vector<History>& runs) {
  std::vector<std::string> problems;
  for (const History& run : runs) {
    for (const std::string& problem : run.problems()) problems.push_back(printable(problem));
  }
  if (!problems.empty())
    throw std::runtime_error(fmt::format("{}", fmt::join(problems, "\nmuon: ")));
}

void print_run(const InspectOptions& o, const History& run) {
  print("{}\nrun       {}\nproject   {}\nstate     {}\n", run.files().front(),
        run.name().empty() ? run.id() : run.name(), run.project(), state_of(run));
  std::size_t width = 6;
  for (const auto& [name, series] : run.series()) width = std::max(width, name.size());
  width = std::min<std::size_t>(width, 48);
  print("\n{:<{}}  {:>7} {:>10} {:>10} {:>10} {:>10} {:>10}\n", "metric", width, "count",
        "last step", "first", "last", "least", "greatest");
  for (const auto& [name, series] : run.series()) {
    const Axis axis = axis_of(series.values);
    print("{:<{}}  {:>7} {:>10} {:>10.4g} {:>10.4g} {:>10.4g} {:>10.4g}\n", printable(name, 44),
          width, series.values.size(), series.steps.back(), series.values.front(),
          series.values.back(), axis.least, axis.greatest);
  }
  if (!run.others().empty()) {
    print("\nhistograms and texts\n");
    for (const auto& [name, count] : run.others())
      print("{:<{}}  {:>7}\n", printable(name, 44), width, count);
  }
  const auto names = names_in(run);
  for (const std::string& name : chosen(o, names)) {
    const Series& series = run.series().at(name);
    if (series.values.size() > 1 || !o.metrics.empty())
      print_curve(name, series, axis_of(as_doubles(series.steps)), axis_of(series.values));
  }
}

void compare(const InspectOptions& o, const std::vector<History>& runs) {
  std::set<std::string> names = names_in(runs.front());
  for (const History& run : runs) {
    std::set<std::string> common;
    for (const std::string& name : names) {
      if (run.series().count(name) > 0) common.insert(name);
    }
    names = std::move(common);
  }
  if (names.empty()) throw std::runtime_error("these runs have no metric in common");
  for (const std::string& metric : chosen(o, names)) {
    std::vector<double> all_values, all_steps;
    print("{}\n  {:<32} {:>10} {:>10} {:>10} {:>10} {:>10}\n", metric, "run", "last step", "first",
          "last", "least", "greatest");
    for (std::size_t i = 0; i < runs.size(); ++i) {
      const Series& series = runs[i].series().at(metric);
      const Axis axis = axis_of(series.values);
      print("  {:<32} {:>10} {:>10.4g} {:>10.4g} {:>10.4g} {:>10.4g}\n", printable(o.paths[i], 28),
            series.steps.back(), series.values.front(), series.values.back(), axis.least,
            axis.greatest);
      all_values.insert(all_values.end(), series.values.begin(), series.values.end());
      for (const std::int64_t step : series.steps) all_steps.push_back(static_cast<double>(step));
    }
    const Axis steps = axis_of(all_steps), values = axis_of(all_values);  // the same for all runs
    for (std::size_t i = 0; i < runs.size(); ++i)
      print_curve(o.paths[i], runs[i].series().at(metric), steps, values);
    print("\n");
  }
}

/// Prints a line for each step that has any of the metrics, as steps arrive.
void follow(const InspectOptions& o, History& run) {
  const StopSignal stop;
  std::map<std::string, std::size_t> shown;
  for (;;) {
    run.read();
    std::map<std::int64_t, std::string> lines;
    for (const auto& [name, series] : run.series()) {
      if (!o.metrics.empty() &&
          std::find(o.metrics.begin(), o.metrics.end(), name) == o.metrics.end())
        continue;
      for (std::size_t& i = shown[name]; i < series.steps.size(); ++i)
        lines[series.steps[i]] += message("  {} {:.5g}", name, series.values[i]);
    }
    for (const auto& [step, text] : lines) print("step {}{}\n", step, text);
    std::fflush(stdout);
    if (run.exit_code()) {
      print("{}\n", state_of(run));
      return check_metrics(o, names_in(run));
    }
    if (stop.received() != 0 || !run.problems().empty() || std::ferror(stdout) != 0) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
  }
}

}  // namespace

void inspect_runs(const InspectOptions& o) {
  std::vector<History> runs;
  for (const std::string& path : o.paths) runs.emplace_back(path);
  if (o.follow) {
    follow(o, runs.front());
    return check_whole(runs);
  }
  for (History& run : runs) run.read();
  if (o.json) {
    Json json = Json::array();
    for (const History& run : runs) json.push_back(json_of(run));
    print_json(runs.size() == 1 ? json.front() : json);
  } else if (runs.size() == 1) {
    print_run(o, runs.front());
  } else {
    compare(o, runs);
  }
  std::fflush(stdout);
  check_whole(runs);
}

}  // namespace cli
