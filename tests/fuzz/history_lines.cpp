// Any bytes as lines of JSON: the same content however the file comes in pieces, or an error.
#include "history_fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  read_history(muon::track::Format::jsonl, std::string(reinterpret_cast<const char*>(data), size));
  return 0;
}
