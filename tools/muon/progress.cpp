#include "progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

namespace cli {
namespace {

double seconds_of(std::chrono::steady_clock::duration span) { return std::chrono::duration<double>(span).count(); }

std::string bar(double done) {
  constexpr int width = 24;
  const int filled = static_cast<int>(done * width);
  return fmt::format("[{:=<{}}{}{: <{}}]", "", filled, filled < width ? ">" : "", "", filled < width ? width - filled - 1 : 0);
}

}  // namespace

std::string clock_text(double seconds) {
  const auto whole = static_cast<std::int64_t>(seconds + 0.5);
  if (whole >= 3600) return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

Progress::Progress(std::int64_t total, std::int64_t images)
    : terminal_(isatty(STDERR_FILENO) == 1), total_(total), images_(images), start_(Clock::now()), last_shown_(start_) {}

bool Progress::due(std::int64_t step) const {
  return step == total_ || seconds_of(Clock::now() - last_shown_) >= (terminal_ ? 0.1 : 5.0);
}

void Progress::show(const std::string& epoch, std::int64_t step, double loss, const std::string& learning_rates) {
  last_shown_ = Clock::now();
  const double done = static_cast<double>(step) / static_cast<double>(total_);
  const double spent = training_seconds();
  const double rate = spent > 0 ? static_cast<double>(step * images_) / spent : 0;
  const std::string text =
      fmt::format("{}  step {}/{}  loss {:.4f}  lr {}  {} images/s  {} left", epoch, step, total_, loss, learning_rates,
                  static_cast<std::int64_t>(rate), clock_text(seconds() * (1 - done) / done));
  if (terminal_) {
    std::fprintf(stderr, "\r\033[K%s %s", bar(done).c_str(), text.c_str());
    drawn_ = true;
  } else {
    std::fprintf(stderr, "%s\n", text.c_str());
  }
  std::fflush(stderr);
}

void Progress::clear() {
  if (!drawn_) return;
  std::fprintf(stderr, "\r\033[K");
  std::fflush(stderr);
  drawn_ = false;
}

void Progress::pause() { paused_at_ = Clock::now(); }
void Progress::resume() { paused_ += Clock::now() - paused_at_; }

double Progress::seconds() const { return seconds_of(Clock::now() - start_); }
double Progress::training_seconds() const { return seconds_of(Clock::now() - start_ - paused_); }

}  // namespace cli
