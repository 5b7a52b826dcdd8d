// The framing of W&B's transaction log. Does not use LibTorch.
//
//     7 bytes   3a 57 26 42 (":W&B"), e1 be, version 0
//     blocks    32,768 bytes each, counted from the beginning of the file, so including the
//               header; they consist of chunks
//     chunk     CRC-32 of type and payload (4 bytes, little endian), length (2), type (1: whole, 2:
//               first, 3: middle, 4: last), payload
//
// A chunk does not cross the end of a block. If fewer than 7 bytes of a block are left, they are
// zeros; if 7 are left, they may be an empty first chunk.
// Source   LevelDB's log format; https://github.com/wandb/wandb/tree/main/core/pkg/leveldb for what
//          differs
#pragma once

#include "track/formats/fed_bytes.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace muon::track::wandb_log {

extern const std::string_view file_header;

/// The bytes to append to a file of `offset` bytes to add a record.
std::string frame(std::string_view record, std::uint64_t offset);

/// Splits the bytes of a file into records, as they are fed.
class Reader {
 public:
  void feed(std::string_view bytes) { bytes_.feed(bytes); }
  /// The next record; none if no further complete one has been fed.
  /// Errors   std::runtime_error with the offset and without the file's name: not a W&B log, a
  ///          wrong checksum, or chunks that are out of order
  std::optional<std::string> next();
  /// The end of the last complete record.
  std::uint64_t offset() const { return good_; }

 private:
  void consume(std::size_t count);
  bool read_header();
  void read_chunk(std::size_t length);
  FedBytes bytes_;
  std::uint64_t offset_ = 0, good_ = 0;  // in the file
  std::optional<std::string> begun_;
};

}  // namespace muon::track::wandb_log
