// Any bytes as a safetensors file: a header whose tensors lie within them, which written again
// reads the same; or an error.
#include "files/safetensors_header.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace format = muon::safetensors;
  const std::string_view file(reinterpret_cast<const char*>(data), size);
  try {
    const std::uint64_t length = format::header_length(file.substr(0, 8), size);
    const std::uint64_t rest = size - 8 - length;
    const format::Header header =
        format::parse_header(file.substr(8, static_cast<std::size_t>(length)), rest);
    for (const format::Entry& entry : header.entries) {
      if (entry.begin > entry.end || entry.end > rest) std::abort();
    }
    const std::string written = format::header_bytes(header);
    const format::Header again = format::parse_header(std::string_view(written).substr(8), rest);
    if (again.entries.size() != header.entries.size() || again.metadata != header.metadata)
      std::abort();
  } catch (const std::runtime_error&) {
  }
  return 0;
}
