// The text of a message in the shapes that stores keep it in.
#pragma once

#include "json_text.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dialogue {

/// Without leading newlines and trailing white space. Nothing inside is ever touched.
std::string_view trimmed(std::string_view text);
bool is_blank(std::string_view text);

/// Trimmed texts with one blank line between them; empty ones do not count.
std::string joined(const std::vector<std::string>& texts);

/// `content` as the chat interfaces have it: a string, or blocks of which those with text count.
/// Without any text, a line `[image]` or `[file: name]` for each picture or file, so that the
/// question does not vanish. `clean`, if given, is applied to each text.
std::string content_text(const Json& content,
                         std::string_view (*clean)(std::string_view) = nullptr);

/// Whether `content` is an array with a block of this type.
bool has_block(const Json& content, std::string_view type);

/// The length of the element <tag ...>...</tag> that a program wrote at the start of `text`; 0 if
/// there is none, or if a sentence goes on behind it, which then only mentions the tag. An element
/// that is never closed is its first tag on the last line.
std::size_t element_at_start(std::string_view text, std::string_view tag);

/// Whether `text` starts with an element of one of these tags.
bool starts_with_element(std::string_view text, std::span<const std::string_view> tags);

/// `text` from its first character that is no white space.
std::string_view without_indent(std::string_view text);

/// Drops whole elements <tag>...</tag> that a program put before or after what was typed: at the
/// very start, and at the end if they begin on a line of their own.
std::string_view without_wrappers(std::string_view text, std::span<const std::string_view> tags);

/// What is between the first <tag> and the last </tag>; nothing if they are not both there.
std::optional<std::string_view> inside(std::string_view text, std::string_view tag);

}  // namespace dialogue
