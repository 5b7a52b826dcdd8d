#include "train/progress.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>

namespace cli {
namespace {

double seconds_of(std::chrono::steady_clock::duration span) {
  return std::chrono::duration<double>(span).count();
}

/// The width of the terminal in characters; 80 if unknown.
std::size_t terminal_width() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string bar(double done) {
  constexpr int width = 24;
  const int filled = static_cast<int>(done * width);
  return fmt::format("[{:=<{}}{}{: <{}}]", "", filled, filled < width ? ">" : "", "",
                     filled < width ? width - filled - 1 : 0);
}

}  // namespace

std::string clock_text(double seconds) {
  const auto whole = static_cast<std::int64_t>(seconds + 0.5);
  if (whole >= 3600)
    return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

Progress::Progress(std::int64_t first, std::int64_t total, const BatchContent& batch)
    : terminal_(isatty(STDERR_FILENO) == 1),
      first_(first),
      total_(total),
      batch_(batch),
      start_(Clock::now()),
      last_shown_(start_) {}

bool Progress::due(std::int64_t step) const {
  return step == total_ || seconds_of(Clock::now() - last_shown_) >= (terminal_ ? 0.1 : 5.0);
}

void Progress::show(const std::string& place, std::int64_t step, double loss,
                    const std::string& learning_rates) {
  last_shown_ = Clock::now();
  const double done = static_cast<double>(step) / static_cast<double>(total_);
  const auto here = static_cast<double>(step - first_);
  const double spent = training_seconds();
  const double rate = spent > 0 ? here * static_cast<double>(batch_.count) / spent : 0;
  // the least important last: a terminal shows what fits in one line, since a line that wraps
  // cannot be drawn again
  const std::string parts[] = {
      place, fmt::format("loss {:.4f}", loss),
      fmt::format("{} left",
                  clock_text(here > 0 ? seconds() * static_cast<double>(total_ - step) / here : 0)),
      fmt::format("{} {}/s", static_cast<std::int64_t>(rate), batch_.unit),
      fmt::format("lr {}", learning_rates)};
  if (!terminal_) {
    std::fprintf(stderr, "%s\n", fmt::format("{}", fmt::join(parts, "  ")).c_str());
  } else {
    const std::size_t width = terminal_width();
    std::string line = parts[0];
    for (std::size_t i = 1; i < std::size(parts) && line.size() + 2 + parts[i].size() < width; ++i)
      line += "  " + parts[i];
    if (line.size() + 28 < width) line = bar(done) + " " + line;
    std::fprintf(stderr, "\r\033[K%s", line.substr(0, width - 1).c_str());
    drawn_ = true;
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
