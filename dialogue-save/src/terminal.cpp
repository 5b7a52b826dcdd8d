#include "terminal.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

namespace dialogue {
namespace {

/// How many bytes a control character at the start of `text` has: those of ASCII one, U+0080 to
/// U+009F two.
std::size_t control_at(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(0) < ' ' || byte(0) == 0x7F) return 1;
  return text.size() > 1 && byte(0) == 0xC2 && byte(1) >= 0x80 && byte(1) < 0xA0 ? 2 : 0;
}

std::string without_controls(std::string_view text, bool keep_newlines) {
  std::string out;
  while (!text.empty()) {
    const std::size_t length = keep_newlines && text[0] == '\n' ? 0 : control_at(text);
    out += length > 0 ? ' ' : text[0];
    text.remove_prefix(length > 0 ? length : 1);
  }
  return out;
}

}  // namespace

std::string printable(std::string_view text) { return without_controls(text, false); }

void tell(std::string_view text) {
  std::fputs(without_controls("dialogue-save: " + std::string(text) + "\n", true).c_str(), stderr);
}

void open_standard_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) >= 0) continue;
    // the lowest free number is this one; reading what is to be written fails as it would from a
    // closed stream
    if (::open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0) return;
  }
}

}  // namespace dialogue
