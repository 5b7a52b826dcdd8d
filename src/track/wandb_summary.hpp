// The summary that W&B shows for a run: the last value of each metric, or what its definition asks
// for.
#pragma once

#include <muon/track/record.hpp>
#include <muon/track/value.hpp>

#include "track/formats/value_json.hpp"
#include "track/formats/wandb_record.hpp"

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace muon::track::wandb_summary {

/// What has to be written with a row.
struct Changes {
  // for names that occur for the first time and match a definition with a "*"
  std::vector<MetricDefinition> definitions;
  // the last values of step metrics that the row's metrics need on their x axis and the row lacks
  Leaves step_metrics;
  // changes of the summary, without histograms, which would double the size of the log
  std::vector<wandb_record::Item> items;
};

class Summary {
 public:
  void define(const MetricDefinition& metric);
  /// Processes a row. The step metrics in the result refer to values of this summary, until the
  /// next call.
  Changes update(const Leaves& row);

 private:
  struct Metric {
    MetricDefinition definition;
    double least = 0, greatest = 0, sum = 0;
    std::int64_t count = 0;
  };

  void expand_globs(const std::vector<std::string>& names,
                    std::vector<MetricDefinition>& definitions);
  Leaves update_step_metrics(const Leaves& row, const std::vector<std::string>& names);
  void summarize(const Leaf& leaf, Metric* metric, std::vector<wandb_record::Item>& items) const;

  std::vector<MetricDefinition> globs_;
  std::map<std::string, Metric> metrics_;
  std::set<std::string> step_names_;          // all step metrics that were defined
  std::map<std::string, Value> step_values_;  // their last values
};

}  // namespace muon::track::wandb_summary
