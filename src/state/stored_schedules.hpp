// Schedules of learning rates in a checkpoint's metadata:
//     [{"step": 5, "initial_lr": [0.02, 0.001], "first_group": 0}, ...]
#pragma once

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace muon {

struct StoredSchedule {
  std::int64_t step = 0;
  std::vector<double> initial_rates;  ///< of its optimizer's groups
  /// the index in the file of its optimizer's first group; none without that optimizer
  std::optional<std::size_t> first_group;
};

inline std::string schedules_text(const std::vector<StoredSchedule>& schedules) {
  auto json = nlohmann::ordered_json::array();
  for (const StoredSchedule& schedule : schedules) {
    nlohmann::ordered_json one{{"step", schedule.step}, {"initial_lr", schedule.initial_rates}};
    if (schedule.first_group) one["first_group"] = *schedule.first_group;
    json.push_back(std::move(one));
  }
  return json.dump();
}

/// A single object instead of a list comes from older files, which have at most one optimizer.
/// Errors   nlohmann::json::exception.
inline std::vector<StoredSchedule> schedules_from(const std::string& text) {
  auto json = nlohmann::json::parse(text);
  if (json.is_object()) {
    json["first_group"] = 0;
    json = nlohmann::json::array({json});
  }
  std::vector<StoredSchedule> schedules;
  for (const auto& one : json) {
    StoredSchedule schedule{one.at("step").get<std::int64_t>(),
                            one.at("initial_lr").get<std::vector<double>>(), std::nullopt};
    if (one.contains("first_group"))
      schedule.first_group = one.at("first_group").get<std::size_t>();
    schedules.push_back(std::move(schedule));
  }
  return schedules;
}

}  // namespace muon
