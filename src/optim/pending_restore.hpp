// Restoring in two phases: first checks everything, then changes everything.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace muon {

/// Changes that have been checked but not made. `apply` does not fail. It must not be called if
/// there are problems.
struct PendingRestore {
  std::vector<std::string> problems;
  std::vector<std::function<void()>> changes;

  void apply() const {
    for (const auto& change : changes) change();
  }
};

/// How restoring treats the options in a file.
enum class StoredOptions {
  /// lr and momentum, which schedules move, are set; any other that differs is a problem
  must_agree,
  are_set,  ///< all are set
};

}  // namespace muon
