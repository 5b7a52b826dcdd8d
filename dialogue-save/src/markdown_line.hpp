// What a single line can be in Markdown, without its surroundings.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace dialogue {

bool blank_line(std::string_view line);

/// These take a line without its indentation.
struct Fence {
  char mark = '`';
  std::size_t length = 0;
};
std::optional<Fence> opening_fence(std::string_view line);
bool closes(const Fence& fence, std::string_view line);
bool thematic_break(std::string_view line);
bool atx_heading(std::string_view line);
bool setext_underline(std::string_view line);
/// The line under the header of a table. It makes a table only where both have as many cells.
bool table_delimiter(std::string_view line);
std::size_t table_cells(std::string_view line);

/// A list marker: its bytes, and whether it may begin a list in the middle of a paragraph.
struct Marker {
  std::size_t length = 0;
  bool interrupts = false;
};
std::optional<Marker> list_marker(std::string_view line);

/// The start of an HTML block. `end` closes it; it is empty where a blank line ends it.
struct Html {
  std::string end;
  bool interrupts = true;  // a paragraph
};
std::optional<Html> html_start(std::string_view line);
/// Whether the line holds what ends a block with this `end`: for </pre>, </script>, </style> and
/// </textarea> any of them.
bool ends_html(std::string_view end, std::string_view line);

}  // namespace dialogue
