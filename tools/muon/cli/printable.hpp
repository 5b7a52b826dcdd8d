// Text from files, for a terminal.
#pragma once

#include <string>

namespace cli {

/// Without control characters; at most `most` bytes, no character cut in its middle.
std::string printable(std::string text, std::size_t most = std::string::npos);

}  // namespace cli
