// Plots a curve in a terminal.
#pragma once

#include <string>
#include <vector>

namespace cli {

struct Axis {
  double least, greatest;
};

/// The range of the finite values; {0, 0} if there are none.
Axis axis_of(const std::vector<double>& values);

/// Lines of text: `rows` lines of braille dots, `columns` wide, labelled with the largest and the
/// smallest value. Points are joined; those that are not finite leave a gap.
std::vector<std::string> curve(const std::vector<double>& x, const std::vector<double>& y,
                               Axis x_axis, Axis y_axis, int columns, int rows);

}  // namespace cli
