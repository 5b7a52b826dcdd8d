// Errors in the command line.
#pragma once

#include <stdexcept>

namespace cli {

/// The program exits with status 2.
struct UsageError : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

}  // namespace cli
