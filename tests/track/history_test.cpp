// Runs that are read back: parts of resumed runs, damaged and hostile files.
#include "track/run_folder.hpp"

#include <muon/track/history.hpp>
#include <muon/track/run.hpp>
#include <muon/track/tensorboard.hpp>

#include <gmock/gmock.h>

#include <cstdint>
#include <string>
#include <vector>

namespace {

using namespace muon::track;
using namespace track_test;
using testing::ElementsAre;
using testing::HasSubstr;

class ReadingBack : public InFolder {};

TEST_F(ReadingBack, AResumedRunReplacesWhatItRepeats) {
  for (const std::int64_t first : {0, 3}) {
    auto run = init({.dir = folder, .sinks = {tensorboard(folder / "tb")}});
    for (std::int64_t step = first; step < first + 5; ++step)
      run.log({{"loss", first * 100 + step}}, step);
  }
  History history(folder / "tb");
  history.read();
  EXPECT_EQ(history.files().size(), 2u);
  EXPECT_EQ(history.series().at("loss").steps, (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(history.series().at("loss").values[4], 304);
}

TEST_F(ReadingBack, PartsOfARunAreOrderedByWhatTheySayAndNotByTheirTimes) {
  for (int part = 1; part <= 11; ++part) {
    const std::string name =
        part == 1 ? "metrics.jsonl" : "metrics-" + std::to_string(part) + ".jsonl";
    write(folder / name, R"({"run":{"id":"abc","start":)" + std::to_string(1000 + part) +
                             "},\"config\":{}}\n" + R"({"_step":)" + std::to_string(part) +
                             R"(,"_timestamp":1,"loss":)" + std::to_string(part) + "}\n");
  }
  write(folder / "other.jsonl", R"({"run":{"id":"old","start":5},"config":{}})"
                                "\n");
  const auto now = fs::file_time_type::clock::now();
  for (const fs::path& file : files_in(folder, ".jsonl")) fs::last_write_time(file, now);
  History history(folder);
  history.read();
  EXPECT_EQ(history.files().size(), 11u);
  EXPECT_EQ(history.series().at("loss").steps.size(), 11u);
}

TEST_F(ReadingBack, HostileFilesAreErrorsAndNoMore) {
  const std::string begin = R"({"run":{"id":"a","start":1},"config":{}})"
                            "\n";
  for (const std::string& brackets : {std::string(200000, '['), std::string()}) {
    std::string deep = R"({"_step":0,"x":)";
    if (brackets.empty()) {
      for (int i = 0; i < 50000; ++i) deep += R"({"a":)";
      deep += "1" + std::string(50000, '}') + "}\n";
    } else {
      deep += brackets + std::string(200000, ']') + "}\n";
    }
    write(folder / "deep.jsonl", begin + deep +
                                     R"({"_step":1,"loss":2,"run":{"id":5}})"
                                     "\n");
    History history(folder / "deep.jsonl");
    history.read();
    EXPECT_EQ(history.id(), "a");
    EXPECT_EQ(history.series().at("loss").values, std::vector<double>{2});
  }
  write(folder / "b.jsonl", begin + R"({"_step":1,"loss":2})"
                                    "\n");
  History shrinking(folder / "b.jsonl");
  shrinking.read();
  write(folder / "b.jsonl", begin);
  shrinking.read();
  EXPECT_THAT(shrinking.problems(), ElementsAre(HasSubstr("has become shorter")));
  write(folder / "c.jsonl", begin + "no json\n");
  History broken(folder / "c.jsonl");
  broken.read();
  EXPECT_THAT(broken.problems(), ElementsAre(HasSubstr("line 2 is not a JSON object")));
}

TEST_F(ReadingBack, WhatIsNoRunIsRefused) {
  EXPECT_THROW(History(folder / "none"), std::runtime_error);
  EXPECT_THROW(History{folder}, std::runtime_error);
  write(folder / "a.txt", "hello");
  EXPECT_THROW(History(folder / "a.txt"), std::runtime_error);
}

}  // namespace
