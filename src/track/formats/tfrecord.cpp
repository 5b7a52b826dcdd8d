#include "track/formats/tfrecord.hpp"

#include "track/formats/little_endian.hpp"

#include <fmt/format.h>

#include <array>
#include <cstddef>
#include <stdexcept>

namespace muon::track::tfrecord {
namespace {

/// table[k][b]: the remainder of byte b followed by k zero bytes, so that eight bytes are processed
/// at once.
using Table = std::array<std::array<std::uint32_t, 256>, 8>;

constexpr Table make_table() {
  Table table{};
  for (std::uint32_t b = 0; b < 256; ++b) {
    std::uint32_t crc = b;
    for (int i = 0; i < 8; ++i) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
    table[0][b] = crc;
  }
  for (std::size_t k = 1; k < 8; ++k) {
    for (std::size_t b = 0; b < 256; ++b)
      table[k][b] = (table[k - 1][b] >> 8) ^ table[0][table[k - 1][b] & 0xff];
  }
  return table;
}

constexpr Table table = make_table();

std::uint32_t masked_crc(std::string_view bytes) {
  const std::uint32_t crc = crc32c(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t crc = 0xffffffffu;
  for (; bytes.size() >= 8; bytes.remove_prefix(8)) {
    const std::uint64_t eight = little_endian<8>(bytes) ^ crc;
    crc = 0;
    for (std::size_t i = 0; i < 8; ++i) crc ^= table[7 - i][(eight >> (8 * i)) & 0xff];
  }
  for (const char c : bytes)
    crc = (crc >> 8) ^ table[0][(crc ^ static_cast<unsigned char>(c)) & 0xff];
  return ~crc;
}

std::string frame(std::string_view record) {
  std::string bytes;
  bytes.reserve(record.size() + 16);
  append_little_endian<8>(bytes, record.size());
  append_little_endian<4>(bytes, masked_crc(bytes));
  bytes += record;
  append_little_endian<4>(bytes, masked_crc(record));
  return bytes;
}

std::optional<std::string> Reader::next() {
  const std::string_view rest = bytes_.rest();
  if (rest.size() < 12) return std::nullopt;
  const auto wrong = [&](const char* what) {
    return std::runtime_error(fmt::format("at byte {} {}", offset_, what));
  };
  if (little_endian<4>(rest.substr(8)) != masked_crc(rest.substr(0, 8)))
    throw wrong("the checksum of a length is wrong");
  const std::uint64_t length = little_endian<8>(rest);
  if (length > rest.size() || rest.size() - length < 16) return std::nullopt;
  const std::string_view data = rest.substr(12, static_cast<std::size_t>(length));
  if (little_endian<4>(rest.substr(12 + data.size())) != masked_crc(data))
    throw wrong("a checksum is wrong");
  std::string record(data);
  bytes_.consume(16 + record.size());
  offset_ += 16 + record.size();
  return record;
}

}  // namespace muon::track::tfrecord
