// Messages of the chat interfaces.
#include "reader.hpp"

namespace dialogue {
Format messages_format();
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const dialogue::Format format = dialogue::messages_format();
  dialogue::check_reader(format, dialogue::MemoryFile(data, size).path());
  return 0;
}
