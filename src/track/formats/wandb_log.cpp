#include "track/formats/wandb_log.hpp"

#include "track/formats/little_endian.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <utility>

namespace muon::track::wandb_log {
namespace {

constexpr std::size_t block = 32768, chunk_header = 7;
enum Type : char { zero = 0, whole = 1, first = 2, middle = 3, last = 4 };

std::uint32_t checksum(std::string_view type_and_payload) {
  return static_cast<std::uint32_t>(::crc32_z(
      0, reinterpret_cast<const Bytef*>(type_and_payload.data()), type_and_payload.size()));
}

}  // namespace

const std::string_view file_header("\x3a\x57\x26\x42\xe1\xbe\x00", 7);

std::string frame(std::string_view record, std::uint64_t offset) {
  std::string bytes;
  bool is_first = true;
  for (;;) {
    std::size_t left = block - static_cast<std::size_t>((offset + bytes.size()) % block);
    if (left < chunk_header) {
      bytes.append(left, '\0');
      left = block;
    }
    const std::size_t count = std::min(record.size(), left - chunk_header);
    const bool is_last = count == record.size();
    std::string body(1, is_first ? (is_last ? whole : first) : (is_last ? last : middle));
    body += record.substr(0, count);
    append_little_endian<4>(bytes, checksum(body));
    append_little_endian<2>(bytes, count);
    bytes += body;
    if (is_last) return bytes;
    record.remove_prefix(count);
    is_first = false;
  }
}

void Reader::consume(std::size_t count) {
  bytes_.consume(count);
  offset_ += count;
}

/// Consumes the file's header, if all of it has arrived.
bool Reader::read_header() {
  if (bytes_.rest().size() < file_header.size()) return false;
  if (!bytes_.rest().starts_with(file_header))
    throw std::runtime_error("is not a W&B log: it does not begin with \":W&B\" and version 0");
  consume(file_header.size());
  return true;
}

/// Appends a chunk with `length` bytes of data, all of which have arrived, to the record.
void Reader::read_chunk(std::size_t length) {
  const auto wrong = [&](const char* what) {
    return std::runtime_error(fmt::format("at byte {} {}", offset_, what));
  };
  const char type = bytes_.rest()[6];
  if (little_endian<4>(bytes_.rest()) != checksum(bytes_.rest().substr(6, 1 + length)))
    throw wrong("a checksum is wrong");
  const bool begins = type == whole || type == first;
  if (type > last || type < zero || begins == begun_.has_value())
    throw wrong("chunks are out of order");
  if (begins) begun_.emplace();
  *begun_ += bytes_.rest().substr(chunk_header, length);
  consume(chunk_header + length);
}

std::optional<std::string> Reader::next() {
  if (offset_ == 0 && !read_header()) return std::nullopt;
  for (;;) {
    const std::size_t left = block - static_cast<std::size_t>(offset_ % block);
    const std::size_t arrived = bytes_.rest().size();
    std::size_t length = 0;
    char type = zero;
    if (left >= chunk_header) {
      if (arrived < chunk_header) return std::nullopt;
      length = static_cast<std::size_t>(little_endian<2>(bytes_.rest().substr(4)));
      type = bytes_.rest()[6];
    }
    // a block ends with zeros: too few for a chunk, or those that a file system leaves after a
    // power failure
    if (type == zero && length == 0) {
      if (arrived < left) return std::nullopt;
      consume(left);
      continue;
    }
    if (chunk_header + length > left)
      throw std::runtime_error(
          fmt::format("at byte {} a chunk crosses the end of its block", offset_));
    if (arrived < chunk_header + length) return std::nullopt;
    read_chunk(length);
    if (type == whole || type == last) {
      good_ = offset_;
      return std::exchange(begun_, std::nullopt);
    }
  }
}

}  // namespace muon::track::wandb_log
