// Runs the program muon as a user does, in a folder of the test's own.
#pragma once

#include "support/running.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

/// The whole file; nothing where there is none.
inline std::string contents(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// A folder of the test's own, which goes with it; the test runs inside it.
class InFolder : public testing::Test {
 protected:
  InFolder() : before_(std::filesystem::current_path()) {
    std::string pattern = (std::filesystem::temp_directory_path() / "muon-test-XXXXXX").string();
    folder = mkdtemp(pattern.data());
    std::filesystem::current_path(folder);
  }
  ~InFolder() override {
    std::filesystem::current_path(before_);
    std::filesystem::remove_all(folder);
  }
  std::filesystem::path folder;

 private:
  std::filesystem::path before_;
};

/// The last line that begins so, without that beginning.
inline std::string line_after(const std::string& text, const std::string& beginning) {
  const auto at = text.rfind("\n" + beginning);
  if (at == std::string::npos) return "";
  const auto first = text.find_first_not_of(' ', at + 1 + beginning.size());
  return text.substr(first, text.find('\n', first) - first);
}

/// For Running::read_until, of a `muon train --gradients 1`.
inline std::string after_step(int step) {
  return "gradients after step " + std::to_string(step) + "\n";
}
