// Any bytes as a pickle: a document or an error, in time and memory in proportion to the bytes.
#include "state/formats/pickle.hpp"

#include <cstddef>
#include <cstdint>
#include <stdexcept>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto document = muon::pickle::parse({reinterpret_cast<const char*>(data), size});
    for (const auto& tensor : document.tensors) (void)tensor.storage.key.size();
    (void)document.find(document.root, "state");
  } catch (const std::runtime_error&) {
  }
  return 0;
}
