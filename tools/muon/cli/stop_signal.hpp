// Ctrl-C and SIGTERM as requests to stop after the current step.
#pragma once

namespace cli {

/// While it exists, the first SIGINT or SIGTERM is recorded instead of ending the program; the next
/// one ends it immediately. Only one may exist at a time.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  /// SIGINT, SIGTERM, or 0.
  int received() const;
  /// "SIGINT"
  static const char* name(int signal);
};

}  // namespace cli
