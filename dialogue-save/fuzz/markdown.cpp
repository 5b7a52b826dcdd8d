// The layout of a message: it takes any bytes, and what closes a message leaves nothing open.
#include "markdown_layout.hpp"
#include "secrets.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const dialogue::Layout layout = dialogue::layout_of(text);
  if (!layout.closer.empty() && !dialogue::layout_of(text + "\n" + layout.closer).closer.empty())
    std::abort();
  if (dialogue::count_secrets(dialogue::redacted(text)) > dialogue::count_secrets(text))
    std::abort();
  return 0;
}
