// The program's output to the terminal. Names, paths and messages come from files and from the
// command line, so every string that is inserted into a text is made printable here. Only Progress
// also prints, since its bar needs control characters.
#pragma once

#include "files/printable.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace cli {

using muon::printable;
using muon::printable_lines;

/// A value for `message` and `print` with several lines, such as a table.
struct Lines {
  std::string_view text;
};

namespace detail {

template <class T>
auto shown(const T& value) {
  if constexpr (std::is_same_v<T, Lines>) {
    return printable_lines(value.text);
  } else if constexpr (std::is_same_v<T, std::filesystem::path>) {
    return printable(value.string());
  } else if constexpr (std::is_convertible_v<const T&, std::string_view>) {
    return printable(value);
  } else {
    return value;
  }
}

template <class T>
using Shown = decltype(shown(std::declval<const T&>()));

}  // namespace detail

/// Formats as fmt::format, with every string and path among `values` made printable on one line.
/// Only `format` may contain newlines.
template <class... T>
std::string message(fmt::format_string<detail::Shown<T>...> format, const T&... values) {
  const std::tuple<detail::Shown<T>...> safe{detail::shown(values)...};
  return std::apply(
      [&](const auto&... each) { return fmt::vformat(format, fmt::make_format_args(each...)); },
      safe);
}

/// The same to standard output.
template <class... T>
void print(fmt::format_string<detail::Shown<T>...> format, const T&... values) {
  std::fputs(message(format, values...).c_str(), stdout);
}

/// The same to standard error.
template <class... T>
void print_error(fmt::format_string<detail::Shown<T>...> format, const T&... values) {
  std::fputs(message(format, values...).c_str(), stderr);
}

}  // namespace cli
