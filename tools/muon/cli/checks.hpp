// Checks of option values for CLI11. Each returns what is wrong, or an empty string.
#pragma once

#include <cstdint>
#include <string>

namespace cli {

std::string check_at_least_zero(const std::string& text);  ///< a finite number
std::string check_momentum(const std::string& text);       ///< 0 <= momentum < 1
/// A whole number in decimal.
std::string check_whole(const std::string& text, std::int64_t least);
std::string check_count(const std::string& text);          ///< >= 1
std::string check_count_or_zero(const std::string& text);  ///< >= 0

}  // namespace cli
