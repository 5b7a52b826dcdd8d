// Runs the program muon as a user does, in a folder of the test's own.
#pragma once

#include "support/files.hpp"
#include "support/running.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

using support::contents;

/// The test runs inside a folder of its own.
class InFolder : public support::InFolder {
 protected:
  InFolder() { std::filesystem::current_path(folder); }
  ~InFolder() override { std::filesystem::current_path(before_); }

 private:
  const std::filesystem::path before_ = std::filesystem::current_path();
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
