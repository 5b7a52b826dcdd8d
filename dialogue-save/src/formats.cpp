#include "format.hpp"

#include <array>

// The known formats, in the order in which they are tried on a file. A new one is a file in
// formats/ and a name here.
#define DIALOGUE_FORMATS(each)                                                                \
  each(claude) each(cursor) each(cursor_transcript) each(codex) each(chatgpt) each(claude_ai) \
      each(messages)

namespace dialogue {

#define DECLARE(name) Format name##_format();
DIALOGUE_FORMATS(DECLARE)
#undef DECLARE

std::span<const Format> formats() {
#define CALL(name) name##_format(),
  static const std::array all = {DIALOGUE_FORMATS(CALL)};
#undef CALL
  return all;
}

}  // namespace dialogue
