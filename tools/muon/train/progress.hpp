// A run's progress on standard error: a bar that redraws itself on a terminal, plain lines
// elsewhere.
#pragma once

#include "train/data/training_data.hpp"

#include <chrono>
#include <cstdint>
#include <string>

namespace cli {

/// "0:07", "12:34", "1:02:03"
std::string clock_text(double seconds);

class Progress {
 public:
  /// `total` steps, of which the first `first` are done.
  Progress(std::int64_t first, std::int64_t total, const BatchContent& batch);

  /// Whether it is time to call `show`, whose figures may cost a synchronization.
  bool due(std::int64_t step) const;
  /// `place` is how far it is: "epoch 1/5  step 20/2345".
  void show(const std::string& place, std::int64_t step, double loss,
            const std::string& learning_rates);

  /// Erases the bar, so that a line can be printed.
  void clear();

  /// Excludes time such as evaluation from the speed.
  void pause();
  void resume();

  double seconds() const;

 private:
  using Clock = std::chrono::steady_clock;

  double training_seconds() const;

  bool terminal_;
  std::int64_t first_, total_;
  BatchContent batch_;
  Clock::time_point start_, last_shown_, paused_at_;
  Clock::duration paused_{};
  bool drawn_ = false;
};

}  // namespace cli
