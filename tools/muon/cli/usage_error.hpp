// A command line that asks for something that cannot be.
#pragma once

#include <stdexcept>

namespace cli {

/// Exit status 2.
struct UsageError : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

}  // namespace cli
