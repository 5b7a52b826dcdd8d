#include "cli/checks.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <system_error>

namespace cli {

std::string check_at_least_zero(const std::string& text) {
  double value = 0;
  if (CLI::detail::lexical_cast(text, value) && std::isfinite(value) && value >= 0) return "";
  return fmt::format("'{}' is not a finite number >= 0", text);
}

std::string check_momentum(const std::string& text) {
  double value = 0;
  if (CLI::detail::lexical_cast(text, value) && value >= 0 && value < 1) return "";
  return fmt::format("'{}' is not a number with 0 <= momentum < 1", text);
}

// CLI11's own conversion reads "010" as 8 and truncates numbers that are too large.
std::string check_whole(const std::string& text, std::int64_t least) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool decimal = error == std::errc() && end == text.data() + text.size() &&
                       (text.size() == 1 || text[0] != '0');
  return decimal && value >= least
             ? ""
             : fmt::format("'{}' is not a whole number >= {}, or too large", text, least);
}

std::string check_count(const std::string& text) { return check_whole(text, 1); }
std::string check_count_or_zero(const std::string& text) { return check_whole(text, 0); }

}  // namespace cli
