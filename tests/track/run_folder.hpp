// A folder that goes with the test, an environment without W&B's variables, and files.
#pragma once

#include <muon/track/run.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <unistd.h>
#include <vector>

namespace track_test {

namespace fs = std::filesystem;

class InFolder : public testing::Test {
 protected:
  InFolder() {
    for (const char* name : {"PROJECT", "ENTITY", "NAME", "NOTES", "RUN_ID", "RUN_GROUP",
                             "JOB_TYPE", "TAGS", "DIR", "MODE"})
      ::unsetenv((std::string("WANDB_") + name).c_str());
    static int count = 0;
    folder = fs::temp_directory_path() /
             ("muon-track-" + std::to_string(::getpid()) + "-" + std::to_string(count++));
    fs::remove_all(folder);
    fs::create_directories(folder);
  }
  ~InFolder() override { fs::remove_all(folder); }

  fs::path folder;
};

inline std::string contents(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void write(const fs::path& file, const std::string& bytes) {
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

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
