#include "inspect/curve.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <utility>

namespace cli {
namespace {

/// The index of a value's place among `count` places.
int place(double value, Axis axis, int count) {
  const double width = axis.greatest - axis.least;
  const double share = width > 0 ? (value - axis.least) / width : 0.5;
  return std::clamp(static_cast<int>(std::lround(share * (count - 1))), 0, count - 1);
}

/// U+2800 plus the dots that are set, in UTF-8.
std::string braille(unsigned dots) {
  const unsigned code = 0x2800 + dots;
  return {static_cast<char>(0xe0 | (code >> 12)), static_cast<char>(0x80 | ((code >> 6) & 0x3f)),
          static_cast<char>(0x80 | (code & 0x3f))};
}

}  // namespace

Axis axis_of(const std::vector<double>& values) {
  Axis axis{0, 0};
  bool any = false;
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    axis = any ? Axis{std::min(axis.least, value), std::max(axis.greatest, value)}
               : Axis{value, value};
    any = true;
  }
  return axis;
}

std::vector<std::string> curve(const std::vector<double>& x, const std::vector<double>& y,
                               Axis x_axis, Axis y_axis, int columns, int rows) {
  constexpr std::array<std::array<unsigned, 2>, 4> dot{
      {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}}};
  std::vector<unsigned> cells(static_cast<std::size_t>(columns * rows), 0);
  const auto set = [&](int column, int row) {
    cells[static_cast<std::size_t>(row / 4 * columns + column / 2)] |=
        dot[static_cast<std::size_t>(row % 4)][static_cast<std::size_t>(column % 2)];
  };
  bool joined = false;  // to the previous point
  int before_column = 0, before_row = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!std::isfinite(y[i])) {
      joined = false;
      continue;
    }
    const int column = place(x[i], x_axis, 2 * columns),
              row = 4 * rows - 1 - place(y[i], y_axis, 4 * rows);
    const int count =
        joined ? std::max({1, std::abs(column - before_column), std::abs(row - before_row)}) : 1;
    for (int k = joined ? 0 : 1; k <= count; ++k) {
      if (joined) {
        set(before_column + (column - before_column) * k / count,
            before_row + (row - before_row) * k / count);
      } else {
        set(column, row);
      }
    }
    before_column = column;
    before_row = row;
    joined = true;
  }
  std::vector<std::string> lines;
  for (int row = 0; row < rows; ++row) {
    std::string line = row == 0          ? fmt::format("{:>10.4g} ", y_axis.greatest)
                       : row == rows - 1 ? fmt::format("{:>10.4g} ", y_axis.least)
                                         : std::string(11, ' ');
    for (int column = 0; column < columns; ++column)
      line += braille(cells[static_cast<std::size_t>(row * columns + column)]);
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace cli
