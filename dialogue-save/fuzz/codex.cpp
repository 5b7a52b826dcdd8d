// Sessions of Codex CLI.
#include "reader.hpp"

namespace dialogue {
Format codex_format();
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const dialogue::Format format = dialogue::codex_format();
  dialogue::check_reader(format, dialogue::MemoryFile(data, size).path());
  return 0;
}
