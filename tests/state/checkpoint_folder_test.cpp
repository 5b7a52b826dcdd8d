// Which checkpoint of a folder is the newest, and which ones stay: whatever the clock says, and
// whatever the steps are.
#include "state/training.hpp"

#include <gmock/gmock.h>

#include <chrono>

namespace {

using namespace training;
using testing::AllOf;
using testing::HasSubstr;

struct OneTensor : torch::nn::Module {
  OneTensor() { value = register_parameter("value", torch::zeros({3})); }
  torch::Tensor value;
};

std::string name_of(std::int64_t step) {
  const std::string digits = std::to_string(step);
  return "step-" + std::string(8 - digits.size(), '0') + digits + ".safetensors";
}

void save(const fs::path& folder, std::int64_t step, int keep = 0) {
  muon::save_checkpoint(folder, {.model = OneTensor(), .step = step, .random = false}, keep);
}

std::int64_t resumed(const fs::path& where) {
  return muon::load_checkpoint(where, {.model = OneTensor(), .random = false}).step;
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    names.push_back(entry.path().filename().string());
  return names;
}

/// As if the clock had been that far ahead when it was written.
void move_time(const fs::path& file, std::chrono::hours by) {
  fs::last_write_time(file, fs::last_write_time(file) + by);
}

/// A run that goes back to an earlier step is the newer one, whatever it left.
TEST(CheckpointFolder, TheNewestIsWhatWasWrittenLast) {
  const Folder folder;
  for (const std::int64_t step : {700, 800, 900, 200, 300}) save(folder.path, step, 3);
  EXPECT_EQ(muon::latest_checkpoint(folder.path), folder / name_of(300));
  EXPECT_THAT(names_in(folder.path),
              testing::UnorderedElementsAre(name_of(900), name_of(200), name_of(300)));
}

TEST(CheckpointFolder, AClockThatWasSetBackLosesNothing) {
  const Folder folder;
  for (const std::int64_t step : {1, 2}) {
    save(folder.path, step, 2);
    move_time(folder / name_of(step), std::chrono::hours(step));
  }
  for (const std::int64_t step : {3, 4}) save(folder.path, step, 2);
  EXPECT_THAT(names_in(folder.path), testing::UnorderedElementsAre(name_of(3), name_of(4)));
  move_time(folder / name_of(3), std::chrono::hours(5));
  EXPECT_EQ(resumed(folder.path), 4);
}

/// The order is in the files, so that a copy of a folder has it too, and a file that is saved under
/// its own name.
TEST(CheckpointFolder, TheOrderIsInTheFiles) {
  const Folder folder;
  for (const std::int64_t step : {1, 2, 3}) save(folder / "a", step);
  muon::save_checkpoint(folder / "a" / name_of(0),
                        {.model = OneTensor(), .step = 0, .random = false});
  fs::create_directory(folder / "b");
  for (const std::int64_t step : {0, 3, 2, 1})
    fs::copy_file(folder / "a" / name_of(step), folder / "b" / name_of(step));
  EXPECT_EQ(resumed(folder / "b"), 0);
}

/// Files of before the order was stored are older than all that have it, and go by their time.
TEST(CheckpointFolder, FilesWithoutAnOrderGoByTimeAndBeforeTheOthers) {
  const Folder folder;
  for (const std::int64_t step : {5, 6}) {
    save(folder.path, step);
    const std::string bytes = contents(folder / name_of(step));
    // none before it tells one
    write(folder / name_of(step), with_header(bytes, ",\"sequence\":\"1\"", ""));
  }
  fs::last_write_time(folder / name_of(6),
                      fs::last_write_time(folder / name_of(5)) - std::chrono::hours(1));
  EXPECT_EQ(resumed(folder.path), 5);
  move_time(folder / name_of(5), std::chrono::hours(9));
  save(folder.path, 7);
  EXPECT_EQ(resumed(folder.path), 7);
  save(folder.path, 8, 2);
  EXPECT_THAT(names_in(folder.path), testing::UnorderedElementsAre(name_of(7), name_of(8)));
}

/// To resume from an older file instead, without a word, would lose the steps between.
TEST(CheckpointFolder, ADamagedNewestIsRefusedRatherThanSkipped) {
  const Folder folder;
  for (const std::int64_t step : {1, 2, 3}) save(folder.path, step);
  const std::string whole = contents(folder / name_of(3));
  write(folder / name_of(3), whole.substr(0, whole.size() - 4));
  move_time(folder / name_of(3), std::chrono::hours(-1));
  EXPECT_THAT(error_of([&] { resumed(folder.path); }),
              AllOf(HasSubstr(name_of(3)), HasSubstr("cut off")));
  write(folder / name_of(3), whole);
  write(folder / name_of(2), "not even a header");
  EXPECT_THAT(error_of([&] { resumed(folder.path); }), HasSubstr(name_of(2)));
  // nor does it take the place of a whole one
  save(folder.path, 4, 2);
  EXPECT_THAT(names_in(folder.path),
              testing::UnorderedElementsAre(name_of(2), name_of(3), name_of(4)));
  EXPECT_EQ(resumed(folder / name_of(4)), 4);
}

TEST(CheckpointFolder, AnOrderThatIsNoNumberIsNone) {
  const Folder folder;
  save(folder.path, 1);
  for (const char* bad : {"-5", "x", "9223372036854775807", "99999999999999999999", ""}) {
    save(folder.path, 2);
    write(folder / name_of(2), with_header(contents(folder / name_of(2)), "\"sequence\":\"2\"",
                                           std::string("\"sequence\":\"") + bad + "\""));
    EXPECT_EQ(muon::latest_checkpoint(folder.path), folder / name_of(1)) << bad;
    fs::remove(folder / name_of(2));
  }
}

}  // namespace
