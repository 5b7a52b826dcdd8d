// TFRecord, the framing of TensorBoard's event files. No LibTorch here.
//
//     length (8 bytes, little endian), masked CRC-32C of these 8 (4), data, masked CRC-32C of the data (4)
//     masked = ((crc >> 15) | (crc << 17)) + 0xa282ead8
//
// Source   https://www.tensorflow.org/tutorials/load_data/tfrecord
#pragma once

#include "track/formats/fed_bytes.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace muon::track::tfrecord {

/// Castagnoli's, as in RFC 3720.
std::uint32_t crc32c(std::string_view bytes);

/// The bytes that add a record to a file.
std::string frame(std::string_view record);

/// Takes a file's bytes as they come and gives its records.
class Reader {
 public:
  void feed(std::string_view bytes) { bytes_.feed(bytes); }
  /// Empty: there is no further whole record in what was fed.
  /// Errors   std::runtime_error, without the file's name: a wrong checksum, with its offset.
  std::optional<std::string> next();
  std::uint64_t offset() const { return offset_; }

 private:
  FedBytes bytes_;
  std::uint64_t offset_ = 0;
};

}  // namespace muon::track::tfrecord
