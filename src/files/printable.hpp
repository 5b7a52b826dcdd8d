// Makes untrusted text safe to print.
//
// A name in a file may hold any bytes. Printed unchanged, they can move a terminal's cursor,
// overwrite the lines above, or display the characters of a line in another order.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace muon {

/// `text` on one line, with escapes for everything that a terminal would act on instead of showing:
/// "\u001b" for a character, in the form that JSON and Python read, and "\xff" for a byte that is
/// not part of valid UTF-8. Escaped are the control characters (C0, DEL, C1), line and paragraph
/// separators, and the controls of bidirectional text (Bidi_Control in Unicode). All other text,
/// backslashes included, stays as it is, so the result is not changed by a second call.
///
/// A result of more than `most` bytes is cut before the character that would exceed them; " ..."
/// follows.
std::string printable(std::string_view text, std::size_t most = std::string_view::npos);

/// The same for a text of several lines, such as an error message: newlines stay.
std::string printable_lines(std::string_view text);

}  // namespace muon
