// Any bytes as a zip file: every entry that can be read lies within them.
#include "state/formats/zip_reader.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view file(reinterpret_cast<const char*>(data), size);
  try {
    const muon::ZipReader zip(file);
    for (const char* name : {"data.pkl", "data/0", "byteorder", "constants.pkl", "version"}) {
      const std::string found = zip.find(name);
      if (found.empty()) continue;
      const std::string_view entry = zip.entry(found);
      if (entry.data() < file.data() || entry.data() + entry.size() > file.data() + file.size())
        std::abort();
    }
  } catch (const std::runtime_error&) {
  }
  return 0;
}
