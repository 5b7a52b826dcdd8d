// Any bytes as TensorBoard's event file: the same content in whatever pieces it comes, or an error.
#include "history_fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  read_history(muon::track::Format::tensorboard,
               std::string(reinterpret_cast<const char*>(data), size));
  return 0;
}
