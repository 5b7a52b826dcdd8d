// Claude.ai's conversations.json.
#include "reader.hpp"

namespace dialogue {
Format claude_ai_format();
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const dialogue::Format format = dialogue::claude_ai_format();
  dialogue::check_reader(format, dialogue::MemoryFile(data, size).path());
  return 0;
}
