// A sink that keeps its rows.
#pragma once

#include "track/formats/value_json.hpp"

#include <muon/track/sink.hpp>

#include <optional>
#include <string>
#include <vector>

namespace track_test {

struct Memory : muon::track::Sink {
  std::string name() const override { return "memory"; }
  void start(const muon::track::RunInfo&, const muon::track::Object& values) override {
    first_config = values;
  }
  void config(const muon::track::Object& values, const muon::track::Object&) override {
    config_changes = values;
  }
  void row(const muon::track::Row& row) override { rows.push_back(row); }
  void finish(int code, const muon::track::Row& row) override {
    exit_code = code;
    last = row;
  }
  muon::track::Object first_config, config_changes;
  std::vector<muon::track::Row> rows;
  std::optional<int> exit_code;
  muon::track::Row last;
};

/// "step: name=value ...".
inline std::vector<std::string> texts(const Memory& memory) {
  std::vector<std::string> result;
  for (const muon::track::Row& row : memory.rows) {
    std::string text = std::to_string(row.step) + ":";
    for (const auto& [name, value] : row.values)
      text += " " + name + "=" + muon::track::json_text(value, muon::track::NonFinite::bare);
    result.push_back(text);
  }
  return result;
}

}  // namespace track_test
