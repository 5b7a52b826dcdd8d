// The header of a safetensors file: which tensors it holds and where. Does not use LibTorch.
//
//     8 bytes   length of the header, little endian
//     header    JSON: {"__metadata__": {text: text}, name: {"dtype": "F32", "shape": [..],
//               "data_offsets": [begin, end]}, ..}
//     data      the tensors, without gaps; offsets count from here
//
// Source   https://huggingface.co/docs/safetensors
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace muon::safetensors {

struct Entry {
  std::string name;
  std::string dtype;  ///< "F32", "BF16", ...
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0;  ///< in the data
  std::uint64_t end = 0;
};

struct Header {
  std::map<std::string, std::string> metadata;
  std::vector<Entry> entries;  ///< in the order of the data
};

/// The length of the header, which is in the first eight bytes of a file: at most 100 MB, as in the
/// reference implementation, and no longer than the file.
/// Errors   std::runtime_error without the file's name, as everywhere in this header.
std::uint64_t header_length(std::string_view first_bytes, std::uint64_t file_bytes);

/// Checks everything: no duplicate names, known dtypes, offsets that match the shapes, tensors that
/// cover the data from 0 to `data_bytes` without gaps or overlaps.
Header parse_header(std::string_view json, std::uint64_t data_bytes);

/// The metadata of a header, even in a damaged file: what follows the metadata is not read.
std::map<std::string, std::string> parse_metadata(std::string_view json);

/// The first bytes of a file: length and header, padded with spaces so that the data begins at a
/// multiple of 8. The entries' offsets are not checked.
std::string header_bytes(const Header& header);

/// Bytes of a tensor; shapes that overflow are an error.
std::uint64_t tensor_bytes(std::string_view dtype, const std::vector<std::int64_t>& shape);

}  // namespace muon::safetensors
