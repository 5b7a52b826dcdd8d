#include "files/printable.hpp"

#include <fmt/format.h>

#include <cstdint>

namespace muon {
namespace {

/// One character at the beginning of a text: its length in bytes and its code point. Valid UTF-8
/// only (RFC 3629: no surrogates, nothing overlong); otherwise the length is 0.
struct Character {
  std::size_t length = 0;
  std::uint32_t code = 0;
};

Character first_character(std::string_view text) {
  const auto byte = [&](std::size_t i) -> std::uint32_t {
    return static_cast<unsigned char>(text[i]);
  };
  const std::uint32_t first = byte(0);
  if (first < 0x80) return {1, first};
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return {};
  std::uint32_t code = first & (0x7fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    code = code << 6 | (byte(i) & 0x3f);
  }
  const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  if (overlong || surrogate || code > 0x10ffff) return {};
  return {length, code};
}

bool is_control(std::uint32_t code) {
  const auto between = [code](std::uint32_t first, std::uint32_t last) {
    return first <= code && code <= last;
  };
  if (code < 0x20 || between(0x7f, 0x9f)) return true;         // C0, DEL, C1
  if (between(0x2028, 0x2029)) return true;                    // line and paragraph separators
  if (code == 0x061c || between(0x200e, 0x200f)) return true;  // bidirectional marks
  // bidirectional embeddings, overrides, isolates
  return between(0x202a, 0x202e) || between(0x2066, 0x2069);
}

std::string escaped(std::string_view text, std::size_t most, bool keep_newlines) {
  std::string result;
  while (!text.empty()) {
    const auto [length, code] = first_character(text);
    std::string piece(text.substr(0, length));
    if (length == 0) {
      piece = fmt::format("\\x{:02x}", static_cast<unsigned char>(text.front()));
    } else if (is_control(code) && !(keep_newlines && code == '\n')) {
      piece = fmt::format("\\u{:04x}", code);
    }
    if (piece.size() > most - result.size()) return result + " ...";
    result += piece;
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return result;
}

}  // namespace

std::string printable(std::string_view text, std::size_t most) {
  return escaped(text, most, false);
}

std::string printable_lines(std::string_view text) {
  return escaped(text, std::string_view::npos, true);
}

}  // namespace muon
