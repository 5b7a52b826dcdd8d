// Makes text valid UTF-8.
#pragma once

#include <string>
#include <string_view>

namespace muon::track {

/// `text` with U+FFFD for every byte that is not part of valid UTF-8 (RFC 3629: no surrogates,
/// nothing overlong).
std::string valid_utf8(std::string_view text);

}  // namespace muon::track
