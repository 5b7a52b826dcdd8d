// The records of a W&B log.
#pragma once

#include "track/run_folder.hpp"

#include "track/formats/wandb_log.hpp"
#include "track/formats/wandb_record.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace track_test {

namespace wandb_log = muon::track::wandb_log;
namespace wandb_record = muon::track::wandb_record;

inline std::vector<wandb_record::Parsed> records_of(const fs::path& file) {
  wandb_log::Reader reader;
  reader.feed(contents(file));
  std::vector<wandb_record::Parsed> records;
  while (const auto record = reader.next()) records.push_back(wandb_record::parse(*record));
  return records;
}

/// W&B's order: header, run, then anything, and at the end exit and final. Every record has a
/// number and a kind.
inline void expect_valid_log(const std::vector<wandb_record::Parsed>& records, bool finished) {
  ASSERT_GE(records.size(), 2u);
  for (std::size_t i = 0; i < records.size(); ++i) {
    EXPECT_EQ(records[i].number, static_cast<std::int64_t>(i) + 1);
    EXPECT_NE(records[i].kind, 0u);
    EXPECT_EQ(records[i].kind == wandb_record::header_kind, i == 0);
    EXPECT_EQ(records[i].kind == wandb_record::run_kind, i == 1);
    EXPECT_EQ(records[i].kind == wandb_record::exit_kind, finished && i + 2 == records.size());
    EXPECT_EQ(records[i].kind == wandb_record::final_kind, finished && i + 1 == records.size());
    if (records[i].kind == wandb_record::history_kind) {
      EXPECT_EQ(records[i - 1].kind, wandb_record::summary_kind);
    }
  }
}

}  // namespace track_test
