#include "save_time.hpp"

#include "json_text.hpp"

#include <fmt/format.h>

#include <chrono>
#include <ctime>

namespace dialogue {

std::string time_text(Millis time, bool utc) {
  const std::time_t seconds = static_cast<std::time_t>(time / 1000);
  std::tm parts{};
  if (!(utc ? ::gmtime_r(&seconds, &parts) : ::localtime_r(&seconds, &parts))) return "-";
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

std::string save_time(const Options& options, const Candidate& candidate) {
  if (options.time == "now") {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return time_text(std::chrono::duration_cast<std::chrono::milliseconds>(now).count(),
                     options.utc);
  }
  if (options.time != "start" && options.time != "last") {
    const bool form =
        options.time.size() == 19 && options.time[10] == ' ' && options.time[16] == ':';
    if (form && parse_time(options.time)) return options.time;
    throw Failure(
        Exit::usage,
        fmt::format("[time] --time takes now, start, last or 'YYYY-MM-DD HH:MM:SS'; got '{}'",
                    options.time));
  }
  std::optional<Millis> time;
  Report unused;
  candidate.format->read(candidate.conversation, options.read, unused, [&](Message&& message) {
    if (message.time) time = message.time;
    return !time || options.time == "last";
  });
  if (time) return time_text(*time, options.utc);
  throw Failure(
      Exit::usage,
      fmt::format(
          "[time] --time={} needs messages with a time; the conversation has none; use --time=now",
          options.time));
}

std::string file_stem(const std::string& time) {
  std::string stem = "cc_" + time;
  std::erase_if(stem, [](char c) { return c == '-' || c == ':'; });
  stem[stem.find(' ')] = '_';
  return stem;
}

}  // namespace dialogue
