// The framing of W&B's transaction log. No LibTorch here.
//
//     7 bytes   3a 57 26 42 (":W&B"), e1 be, version 0
//     blocks    of 32,768 bytes, counted from the file's begin, header included, of chunks
//     chunk     CRC-32 of type and payload (4 bytes, little endian), length (2), type (1: whole, 2: first, 3: middle, 4: last),
//     payload
//
// A chunk does not cross a block's end. Where fewer than 7 bytes are left, zeros fill them; where 7 are, an empty first
// chunk may.
// Source   LevelDB's log format; https://github.com/wandb/wandb/tree/main/core/pkg/leveldb for what differs
#pragma once

#include "track/formats/fed_bytes.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace muon::track::wandb_log {

extern const std::string_view file_header;

/// The bytes that add a record to a file of `offset` bytes.
std::string frame(std::string_view record, std::uint64_t offset);

/// Takes a file's bytes as they come and gives its records.
class Reader {
 public:
  void feed(std::string_view bytes) { bytes_.feed(bytes); }
  /// Empty: there is no further whole record in what was fed.
  /// Errors   std::runtime_error, without the file's name: no such file, a wrong checksum, chunks out of order; with the offset.
  std::optional<std::string> next();
  /// The end of the last whole record.
  std::uint64_t offset() const { return good_; }

 private:
  void consume(std::size_t count);
  FedBytes bytes_;
  std::uint64_t offset_ = 0, good_ = 0;  // in the file
  std::optional<std::string> begun_;
};

}  // namespace muon::track::wandb_log
