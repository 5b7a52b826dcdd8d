// Cursor's agent transcripts.
#include "reader.hpp"

namespace dialogue {
Format cursor_transcript_format();
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const dialogue::Format format = dialogue::cursor_transcript_format();
  dialogue::check_reader(format, dialogue::MemoryFile(data, size).path());
  return 0;
}
