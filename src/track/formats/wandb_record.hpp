// The records of W&B's log: messages of its wandb_internal.proto, by field number.
//
// Order    header, run, then metric, config, stats and, for each row, summary before history; at last summary, exit, final.
// Every record has a number and exactly one kind: a reader of W&B's stops at a record without, and at one whose kind is newer
// than itself. So kinds that old readers do not know (26, the machine) are not written. Source
// https://github.com/wandb/wandb/blob/main/wandb/proto/wandb_internal.proto
#pragma once

#include <muon/track/sink.hpp>

#include "track/formats/value_json.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace muon::track::wandb_record {

/// One leaf and its JSON text.
using Item = std::pair<Path, std::string>;

std::string header(std::int64_t number, const std::string& producer);
std::string run(std::int64_t number, const RunInfo& info, const std::string& host, const Object& config);
std::string config(std::int64_t number, const Object& changes);
std::string metric(std::int64_t number, const MetricDefinition& metric, bool expanded_from_glob);
std::string history(std::int64_t number, std::int64_t step, const std::vector<Item>& items);
std::string summary(std::int64_t number, const std::vector<Item>& items);
std::string stats(std::int64_t number, const Row& row);
std::string exit(std::int64_t number, int code, double runtime);
std::string final(std::int64_t number);

/// What `History` needs of a record. `kind` is the number of its field; 0 where it has none.
struct Parsed {
  std::int64_t number = 0;
  std::uint32_t kind = 0;
  std::vector<Item> items;           // of history, summary, config, run
  std::optional<std::int64_t> step;  // of history
  std::string id, project, name;     // of run
  int exit_code = 0;                 // of exit
};

constexpr std::uint32_t history_kind = 2, summary_kind = 3, config_kind = 5, metric_kind = 12, run_kind = 17, exit_kind = 18,
                        final_kind = 20, header_kind = 21;

/// Errors   std::runtime_error: no message
Parsed parse(const std::string& record);

}  // namespace muon::track::wandb_record
