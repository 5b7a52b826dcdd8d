#include "track/wandb_summary.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

namespace muon::track::wandb_summary {
namespace {

/// As W&B joins.
std::string name_of(const Path& path) { return joined(path, "."); }

}  // namespace

Object Summary::step_metrics(const Object& values) {
  Object missing;
  std::set<std::string> needed;
  if (metrics_.empty() && globs_.empty()) return missing;
  for_each_leaf(values, [&](const Path& path, const Value&) {
    const auto known = metrics_.find(name_of(path));
    if (known != metrics_.end() && !known->second.definition.step_metric.empty())
      needed.insert(known->second.definition.step_metric);
  });
  for_each_leaf(values, [&](const Path& path, const Value& value) {
    const std::string name = name_of(path);
    const bool is_step =
        std::any_of(metrics_.begin(), metrics_.end(), [&](const auto& m) { return m.second.definition.step_metric == name; }) ||
        std::any_of(globs_.begin(), globs_.end(), [&](const auto& g) { return g.step_metric == name; });
    if (is_step) steps_[name] = value;
    needed.erase(name);
  });
  for (const std::string& name : needed) {
    if (const auto known = steps_.find(name); known != steps_.end()) missing.emplace_back(name, known->second);
  }
  return missing;
}

void Summary::define(const MetricDefinition& metric) {
  if (metric.name.ends_with('*')) {
    globs_.push_back(metric);
  } else {
    metrics_[metric.name].definition = metric;
  }
}

std::vector<MetricDefinition> Summary::expand(const Object& values) {
  std::vector<MetricDefinition> result;
  if (globs_.empty()) return result;
  for_each_leaf(values, [&](const Path& path, const Value&) {
    const std::string name = name_of(path);
    if (metrics_.count(name) > 0 || name.starts_with('_')) return;
    for (const MetricDefinition& glob : globs_) {
      if (!name.starts_with(glob.name.substr(0, glob.name.size() - 1))) continue;
      MetricDefinition metric = glob;
      metric.name = name;
      metrics_[name].definition = metric;
      result.push_back(std::move(metric));
      return;
    }
  });
  return result;
}

std::vector<wandb_record::Item> Summary::update(const Object& values) {
  std::vector<wandb_record::Item> items;
  for_each_leaf(values, [&](const Path& path, const Value& value) {
    if (std::holds_alternative<Histogram>(value.get())) return;
    const auto known = metrics_.empty() ? metrics_.end() : metrics_.find(name_of(path));
    const std::string how = known == metrics_.end() ? "" : known->second.definition.summary;
    if (how == "none") return;
    const auto number = number_of(value);
    if (how.empty() || how == "copy" || !number) {
      items.emplace_back(path, json_text(value, NonFinite::bare));
      return;
    }
    Metric& metric = known->second;
    if (std::isnan(*number) && how != "last" && how != "first") return;
    ++metric.count;
    metric.least = metric.count == 1 ? *number : std::min(metric.least, *number);
    metric.greatest = metric.count == 1 ? *number : std::max(metric.greatest, *number);
    metric.sum += *number;
    const bool maximize = metric.definition.goal == "maximize";
    double result = *number;
    if (how == "min" || (how == "best" && !maximize)) result = metric.least;
    if (how == "max" || (how == "best" && maximize)) result = metric.greatest;
    if (how == "mean") result = metric.sum / static_cast<double>(metric.count);
    if (how == "first" && metric.count > 1) return;
    Path longer = path;
    longer.push_back(how);
    items.emplace_back(std::move(longer), json_text(result, NonFinite::bare));
  });
  return items;
}

}  // namespace muon::track::wandb_summary
