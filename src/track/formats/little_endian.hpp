// Little-endian numbers in files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace muon::track {

template <int bytes>
void append_little_endian(std::string& text, std::uint64_t value) {
  for (int i = 0; i < bytes; ++i) text += static_cast<char>((value >> (8 * i)) & 0xff);
}

/// The number in the first `bytes` bytes of `text`, which has that many.
template <int bytes>
std::uint64_t little_endian(std::string_view text) {
  std::uint64_t value = 0;
  for (int i = 0; i < bytes; ++i)
    value |=
        static_cast<std::uint64_t>(static_cast<unsigned char>(text[static_cast<std::size_t>(i)]))
        << (8 * i);
  return value;
}

}  // namespace muon::track
