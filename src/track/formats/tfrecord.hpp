// TFRecord, the framing of TensorBoard's event files. Does not use LibTorch.
//
//     8 bytes   length of the data, little endian
//     4         masked CRC-32C of these 8 bytes
//     data
//     4         masked CRC-32C of the data
//
// where masked(crc) = ((crc >> 15) | (crc << 17)) + 0xa282ead8.
//
// Source   https://www.tensorflow.org/tutorials/load_data/tfrecord
#pragma once

#include "track/formats/fed_bytes.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace muon::track::tfrecord {

/// The CRC with Castagnoli's polynomial, as in RFC 3720.
std::uint32_t crc32c(std::string_view bytes);

/// The bytes to append to a file to add a record.
std::string frame(std::string_view record);

/// Splits the bytes of a file into records, as they are fed.
class Reader {
 public:
  void feed(std::string_view bytes) { bytes_.feed(bytes); }
  /// The next record; none if no further complete one has been fed.
  /// Errors   std::runtime_error with the offset and without the file's name: a wrong checksum
  std::optional<std::string> next();
  std::uint64_t offset() const { return offset_; }

 private:
  FedBytes bytes_;
  std::uint64_t offset_ = 0;
};

}  // namespace muon::track::tfrecord
