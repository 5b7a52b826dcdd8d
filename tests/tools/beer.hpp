// A text that is learnt in no time.
#pragma once

#include <fmt/format.h>

#include <string>

/// 6,000 bytes.
inline std::string beer() {
  std::string text;
  for (int i = 0; i < 200; ++i) text += fmt::format("{} bottles of beer on the wall\n", i % 10);
  return text;
}
