// A curve in a terminal.
#pragma once

#include <string>
#include <vector>

namespace cli {

struct Axis {
  double least, greatest;
};

/// Over the finite values; {0, 0} without any.
Axis axis_of(const std::vector<double>& values);

/// Lines of text: `rows` of braille dots, `columns` wide, with the greatest and the least value
/// before them. Points are joined; those that are not finite leave a gap.
std::vector<std::string> curve(const std::vector<double>& x, const std::vector<double>& y,
                               Axis x_axis, Axis y_axis, int columns, int rows);

}  // namespace cli
