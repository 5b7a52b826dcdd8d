// The summary that W&B's server shows of a run: of each metric the last value, or what was defined.
#pragma once

#include <muon/track/sink.hpp>

#include "track/formats/wandb_record.hpp"

#include <map>
#include <string>
#include <vector>

namespace muon::track::wandb_summary {

class Summary {
 public:
  void define(const MetricDefinition& metric);
  /// Definitions for names of `values` that a definition with a "*" stands for, when they come the first time.
  std::vector<MetricDefinition> expand(const Object& values);
  /// The last values of the step metrics that `values` need and do not have.
  Object step_metrics(const Object& values);
  /// What the summary changes to with these values. Histograms are left out: they would double a log's size, and the last is
  /// enough.
  std::vector<wandb_record::Item> update(const Object& values);

 private:
  struct Metric {
    MetricDefinition definition;
    double least = 0, greatest = 0, sum = 0;
    std::int64_t count = 0;
  };

  std::vector<MetricDefinition> globs_;
  std::map<std::string, Metric> metrics_;
  std::map<std::string, Value> steps_;  // of step metrics
};

}  // namespace muon::track::wandb_summary
