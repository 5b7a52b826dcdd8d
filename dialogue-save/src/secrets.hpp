// Keys and tokens in a text, known by their prefixes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace dialogue {

std::size_t count_secrets(std::string_view text);

/// Each secret replaced by [REDACTED:<LABEL>].
std::string redacted(std::string_view text);

}  // namespace dialogue
