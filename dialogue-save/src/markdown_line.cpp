#include "markdown_line.hpp"

#include <algorithm>
#include <array>

namespace dialogue {
namespace {

bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool digit(char c) { return c >= '0' && c <= '9'; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
/// What ends a mark or a name; a line of form feeds is not blank.
bool space(char c) { return blank(c) || c == '\v' || c == '\f'; }

std::size_t run_of(std::string_view line, char c) {
  return std::min(line.find_first_not_of(c), line.size());
}

/// Elements that begin a block wherever they begin a line.
constexpr std::array<std::string_view, 62> block_tags = {
    "address",  "article",  "aside",    "base",       "basefont", "blockquote", "body",   "caption",
    "center",   "col",      "colgroup", "dd",         "details",  "dialog",     "dir",    "div",
    "dl",       "dt",       "fieldset", "figcaption", "figure",   "footer",     "form",   "frame",
    "frameset", "h1",       "h2",       "h3",         "h4",       "h5",         "h6",     "head",
    "header",   "hr",       "html",     "iframe",     "legend",   "li",         "link",   "main",
    "menu",     "menuitem", "nav",      "noframes",   "ol",       "optgroup",   "option", "p",
    "param",    "section",  "source",   "summary",    "table",    "tbody",      "td",     "tfoot",
    "th",       "thead",    "title",    "tr",         "track",    "ul"};

/// Whether the line is one whole tag and nothing else: attributes are taken for whatever is between
/// name and '>'.
bool lone_tag(std::string_view line) {
  const std::size_t close = line.find('>');
  const std::size_t name = line.starts_with("</") ? 2 : 1;
  if (close == line.npos || close <= name || !letter(line[name]) ||
      !blank_line(line.substr(close + 1)))
    return false;
  std::size_t end = name;
  while (end < close && (letter(line[end]) || digit(line[end]) || line[end] == '-')) ++end;
  return end == close || space(line[end]) || (line[end] == '/' && end + 1 == close);
}

}  // namespace

bool blank_line(std::string_view line) { return std::all_of(line.begin(), line.end(), blank); }

std::optional<Fence> opening_fence(std::string_view line) {
  if (line.empty() || (line[0] != '`' && line[0] != '~')) return std::nullopt;
  const Fence fence{line[0], run_of(line, line[0])};
  const bool inline_code = fence.mark == '`' && line.find('`', fence.length) != line.npos;
  return fence.length < 3 || inline_code ? std::nullopt : std::optional(fence);
}

bool closes(const Fence& fence, std::string_view line) {
  const std::size_t length = run_of(line, fence.mark);
  return length >= fence.length && line.find_first_not_of(" \t\r", length) == line.npos;
}

bool thematic_break(std::string_view line) {
  if (line.empty() || (line[0] != '-' && line[0] != '_' && line[0] != '*')) return false;
  const auto marks = std::count(line.begin(), line.end(), line[0]);
  return marks >= 3 &&
         std::all_of(line.begin(), line.end(), [&](char c) { return c == line[0] || blank(c); });
}

bool atx_heading(std::string_view line) {
  const std::size_t level = run_of(line, '#');
  return level >= 1 && level <= 6 && (level == line.size() || blank(line[level]));
}

bool setext_underline(std::string_view line) {
  if (line.empty() || (line[0] != '=' && line[0] != '-')) return false;
  return blank_line(line.substr(run_of(line, line[0])));
}

bool table_delimiter(std::string_view line) {
  bool dash = false, other = false;
  for (const char c : line) {
    dash = dash || c == '-';
    other = other || c == '|' || c == ':';
    if (c != '-' && c != '|' && c != ':' && !space(c)) return false;
  }
  return dash && other;
}

std::size_t table_cells(std::string_view line) {
  while (!line.empty() && space(line.back())) line.remove_suffix(1);
  std::size_t cells = 1;
  // the bars between cells: not the first and last byte, not escaped ones
  for (std::size_t i = 1; i + 1 < line.size(); ++i) {
    if (line[i] == '|' && line[i - 1] != '\\') ++cells;
  }
  return cells;
}

std::optional<Marker> list_marker(std::string_view line) {
  std::size_t length = 1;
  bool first = true;
  if (line.empty()) return std::nullopt;
  if (digit(line[0])) {
    while (length < line.size() && digit(line[length])) ++length;
    first = length == 1 && line[0] == '1';
    if (length > 9 || length == line.size() || (line[length] != '.' && line[length] != ')'))
      return std::nullopt;
    ++length;
  } else if (line[0] != '-' && line[0] != '+' && line[0] != '*') {
    return std::nullopt;
  }
  if (length < line.size() && !space(line[length])) return std::nullopt;
  return Marker{length, first && !blank_line(line.substr(length))};
}

namespace {

bool contains_ignoring_case(std::string_view text, std::string_view lower_case) {
  return std::search(text.begin(), text.end(), lower_case.begin(), lower_case.end(),
                     [](char a, char b) { return lower(a) == b; }) != text.end();
}

constexpr std::array<std::string_view, 4> verbatim_ends = {"</script>", "</pre>", "</style>",
                                                           "</textarea>"};

}  // namespace

bool ends_html(std::string_view end, std::string_view line) {
  if (end.empty()) return blank_line(line);
  if (!end.starts_with("</")) return line.find(end) != line.npos;
  return std::any_of(verbatim_ends.begin(), verbatim_ends.end(),
                     [&](std::string_view any) { return contains_ignoring_case(line, any); });
}

std::optional<Html> html_start(std::string_view line) {
  if (line.size() < 2 || line[0] != '<') return std::nullopt;
  if (line.starts_with("<!--")) return Html{"-->"};
  if (line.starts_with("<?")) return Html{"?>"};
  if (line.starts_with("<![CDATA[")) return Html{"]]>"};
  if (line.starts_with("<!"))
    return line.size() > 2 && line[2] >= 'A' && line[2] <= 'Z' ? std::optional(Html{">"})
                                                               : std::nullopt;
  const bool closing = line[1] == '/';
  std::string name;
  std::size_t end = closing ? 2 : 1;
  while (end < line.size() && (letter(line[end]) || digit(line[end])) && name.size() < 12)
    name += lower(line[end++]);
  const bool ends_well = end == line.size() || space(line[end]) || line[end] == '>';
  const std::string close = "</" + name + ">";
  const bool verbatim =
      std::find(verbatim_ends.begin(), verbatim_ends.end(), close) != verbatim_ends.end();
  if (!closing && ends_well && verbatim) return Html{close};
  const bool block = std::find(block_tags.begin(), block_tags.end(), name) != block_tags.end();
  if (block && (ends_well || line.substr(end).starts_with("/>"))) return Html{""};
  return lone_tag(line) ? std::optional(Html{"", false}) : std::nullopt;
}

}  // namespace dialogue
