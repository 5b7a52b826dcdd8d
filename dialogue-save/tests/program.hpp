// Runs dialogue-save as a user does, and keeps what it printed.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

struct Result {
  int status = -1;  // 128 + signal where a signal ended it
  std::string out, err;
  long peak_kib = 0;  // the largest memory the process had
};

/// Runs a shell command; `$tool` in it is the program.
Result shell(const std::string& command);

/// Before a command: even as root it gets no further than the permissions of files let their owner.
extern const std::string bound_by_permissions;

/// Runs this in a process of its own, so that what it needs of memory is not taken for that of a
/// program started later.
void in_process(const std::function<void()>& work);

std::string contents(const std::filesystem::path& file);
void write_file(const std::filesystem::path& file, const std::string& bytes);

/// The conversations that were saved in a folder, sorted: files cc_*, without temporary ones.
std::vector<std::filesystem::path> saved_in(const std::filesystem::path& folder);

/// A folder of the test's own, which goes with it; the test runs inside it. Home is in it too, and
/// the time zone is UTC+8.
class InFolder : public testing::Test {
 protected:
  InFolder();
  ~InFolder() override;

  std::filesystem::path folder, home;

 private:
  std::filesystem::path before_;
};
