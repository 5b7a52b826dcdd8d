#include "track/wandb_summary.hpp"

#include "track/formats/enum_names.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>

namespace muon::track::wandb_summary {

void Summary::define(const MetricDefinition& metric) {
  if (metric.name.ends_with('*')) {
    globs_.push_back(metric);
  } else {
    metrics_[metric.name].definition = metric;
  }
  if (!metric.step_metric.empty()) step_names_.insert(metric.step_metric);
}

Changes Summary::update(const Leaves& row) {
  Changes changes;
  if (metrics_.empty() && globs_.empty()) {
    for (const Leaf& leaf : row) summarize(leaf, nullptr, changes.items);
    return changes;
  }
  std::vector<std::string> names;
  for (const Leaf& leaf : row) names.push_back(joined(leaf.path, "."));  // as W&B joins them
  expand_globs(names, changes.definitions);
  changes.step_metrics = update_step_metrics(row, names);
  const auto metric_of = [&](const std::string& name) {
    const auto known = metrics_.find(name);
    return known == metrics_.end() ? nullptr : &known->second;
  };
  for (std::size_t i = 0; i < row.size(); ++i)
    summarize(row[i], metric_of(names[i]), changes.items);
  for (const Leaf& leaf : changes.step_metrics)
    summarize(leaf, metric_of(leaf.path.front()), changes.items);
  return changes;
}

void Summary::expand_globs(const std::vector<std::string>& names,
                           std::vector<MetricDefinition>& definitions) {
  if (globs_.empty()) return;
  for (const std::string& name : names) {
    if (metrics_.count(name) > 0 || name.starts_with('_')) continue;
    const auto glob =
        std::find_if(globs_.begin(), globs_.end(), [&](const MetricDefinition& candidate) {
          return name.starts_with(
              std::string_view(candidate.name).substr(0, candidate.name.size() - 1));
        });
    if (glob == globs_.end()) continue;
    MetricDefinition metric = *glob;
    metric.name = name;
    metrics_[name].definition = metric;
    definitions.push_back(std::move(metric));
  }
}

Leaves Summary::update_step_metrics(const Leaves& row, const std::vector<std::string>& names) {
  std::set<std::string> missing;
  for (const std::string& name : names) {
    const auto known = metrics_.find(name);
    if (known != metrics_.end() && !known->second.definition.step_metric.empty())
      missing.insert(known->second.definition.step_metric);
  }
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (step_names_.count(names[i]) > 0) step_values_[names[i]] = *row[i].value;
    missing.erase(names[i]);
  }
  Leaves leaves;
  for (const std::string& name : missing) {
    if (const auto known = step_values_.find(name); known != step_values_.end())
      leaves.push_back({{name}, &known->second});
  }
  return leaves;
}

void Summary::summarize(const Leaf& leaf, Metric* metric,
                        std::vector<wandb_record::Item>& items) const {
  if (std::holds_alternative<Histogram>(leaf.value->get())) return;
  const std::optional<MetricSummary> how =
      metric == nullptr ? std::nullopt : metric->definition.summary;
  if (how == MetricSummary::none) return;
  const auto number = number_of(*leaf.value);
  if (!how || how == MetricSummary::copy || !number) return wandb_record::add_leaf(items, leaf);
  if (std::isnan(*number) && how != MetricSummary::last && how != MetricSummary::first) return;
  ++metric->count;
  metric->least = metric->count == 1 ? *number : std::min(metric->least, *number);
  metric->greatest = metric->count == 1 ? *number : std::max(metric->greatest, *number);
  metric->sum += *number;
  const bool is_best = how == MetricSummary::best;
  const bool maximize = metric->definition.goal == MetricGoal::maximize;
  double result = *number;
  if (how == MetricSummary::min || (is_best && !maximize)) result = metric->least;
  if (how == MetricSummary::max || (is_best && maximize)) result = metric->greatest;
  if (how == MetricSummary::mean) result = metric->sum / static_cast<double>(metric->count);
  if (how == MetricSummary::first && metric->count > 1) return;
  items.emplace_back(leaf.path, json_text(result, NonFinite::bare));
  items.back().first.emplace_back(name_of(*how));
}

}  // namespace muon::track::wandb_summary
