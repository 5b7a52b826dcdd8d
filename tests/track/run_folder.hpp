// A folder that goes with the test, an environment without W&B's variables, and files.
#pragma once

#include "support/files.hpp"

#include <muon/track/run.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace track_test {

namespace fs = std::filesystem;

/// The environment is that of a user without W&B.
class InFolder : public support::InFolder {
 protected:
  InFolder() {
    for (const char* name : {"PROJECT", "ENTITY", "NAME", "NOTES", "RUN_ID", "RUN_GROUP",
                             "JOB_TYPE", "TAGS", "DIR", "MODE"})
      ::unsetenv((std::string("WANDB_") + name).c_str());
  }
};

using support::contents;
using support::write;

/// All files below a folder whose name ends so.
inline std::vector<fs::path> files_in(const fs::path& folder, const std::string& part_of_name) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() &&
        entry.path().filename().string().find(part_of_name) != std::string::npos)
      files.push_back(entry.path());
  }
  return files;
}

inline std::vector<std::string> problem_texts(const muon::track::Run& run) {
  std::vector<std::string> texts;
  for (const muon::track::Problem& problem : run.problems()) texts.push_back(problem.to_string());
  return texts;
}

}  // namespace track_test
