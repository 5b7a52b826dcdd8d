// ChatGPT's conversations.json.
#include "reader.hpp"

namespace dialogue {
Format chatgpt_format();
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const dialogue::Format format = dialogue::chatgpt_format();
  dialogue::check_reader(format, dialogue::MemoryFile(data, size).path());
  return 0;
}
