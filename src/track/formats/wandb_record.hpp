// The records of W&B's log: messages of its wandb_internal.proto, by field number.
//
// Order    header, run, then metric, config, stats and, for each row, summary before history;
//          finally summary, exit, final.
// Every record has a number and exactly one kind. W&B's readers stop at a record without a kind or
// of an unknown kind, so kinds that older versions do not know (26, the machine) are not written.
// Source   https://github.com/wandb/wandb/blob/main/wandb/proto/wandb_internal.proto
#pragma once

#include <muon/track/record.hpp>
#include <muon/track/value.hpp>

#include "track/formats/value_json.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace muon::track::wandb_record {

/// One leaf and its JSON text.
using Item = std::pair<Path, std::string>;
/// Adds a leaf to `items`: a histogram as three items, anything else as one.
void add_leaf(std::vector<Item>& items, const Leaf& leaf);

std::string header(std::int64_t number, const std::string& producer);
std::string run(std::int64_t number, const RunInfo& info, const std::string& host,
                const Object& config);
std::string config(std::int64_t number, const Object& changes);
std::string metric(std::int64_t number, const MetricDefinition& metric, bool expanded_from_glob);
std::string history(std::int64_t number, std::int64_t step, const std::vector<Item>& items);
std::string summary(std::int64_t number, const std::vector<Item>& items);
std::string stats(std::int64_t number, const Row& row);
std::string exit(std::int64_t number, int code, double runtime);
std::string final(std::int64_t number);

/// The parts of a record that History uses. `kind` is the number of its field, 0 if it has none.
struct Parsed {
  std::int64_t number = 0;
  std::uint32_t kind = 0;
  std::vector<Item> items;           // in history, summary, config, run
  std::optional<std::int64_t> step;  // in history
  std::string id, project, name;     // in run
  int exit_code = 0;                 // in exit
};

constexpr std::uint32_t history_kind = 2, summary_kind = 3, config_kind = 5, metric_kind = 12,
                        run_kind = 17, exit_kind = 18, final_kind = 20, header_kind = 21;

/// Errors   std::runtime_error: not a message
Parsed parse(const std::string& record);

}  // namespace muon::track::wandb_record
