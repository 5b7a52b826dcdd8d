// Restoring in two steps: everything is checked, then everything is changed.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace muon {

/// A change that has been checked and not been made. `apply` does not fail. With problems, it must not be called.
struct PendingRestore {
  std::vector<std::string> problems;
  std::vector<std::function<void()>> changes;

  void apply() const {
    for (const auto& change : changes) change();
  }
};

/// What the options of a file do to the optimizer's.
enum class OptionsFrom {
  file,               ///< all are set
  require_equal_except_schedule,  ///< lr and momentum, which schedules move, are set; any other that differs is a problem
  optimizer,          ///< all stay
};

struct Tolerance {
  bool missing = false;  ///< what the file does not have stays as it is; state starts anew
  bool extra = false;    ///< what only the file has is left out
  bool dtype = false;    ///< tensors of another dtype are converted
  OptionsFrom options = OptionsFrom::require_equal_except_schedule;
};

}  // namespace muon
