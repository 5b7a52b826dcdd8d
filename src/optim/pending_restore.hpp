// Restoring in two steps: everything is checked, then everything is changed.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace muon {

/// A change that has been checked and not been made. `apply` does not fail. With problems, it must
/// not be called.
struct PendingRestore {
  std::vector<std::string> problems;
  std::vector<std::function<void()>> changes;

  void apply() const {
    for (const auto& change : changes) change();
  }
};

/// What the options in a file do.
enum class StoredOptions {
  /// lr and momentum, which schedules move, are set; any other that differs is a problem
  must_agree,
  are_set,  ///< all are set
};

}  // namespace muon
