#include "markdown_layout.hpp"

#include "markdown_line.hpp"

#include <algorithm>
#include <optional>
#include <vector>

namespace dialogue {
namespace {

/// Walks over a line by columns, so that a tab may be used up in parts.
class LineCursor {
 public:
  explicit LineCursor(std::string_view line) : line_(line) {}

  std::string_view rest() const { return line_; }
  std::size_t column() const { return column_; }
  bool blank() const { return blank_line(line_); }

  std::size_t indent() const {
    std::size_t end = column_;
    for (const char c : line_) {
      if (c != ' ' && c != '\t') break;
      end += c == ' ' ? 1 : 4 - end % 4;
    }
    return end - column_;
  }

  LineCursor& skip_columns(std::size_t count) {
    while (count > 0 && !line_.empty() && (line_[0] == ' ' || line_[0] == '\t')) {
      const std::size_t width = line_[0] == ' ' ? 1 : 4 - column_ % 4;
      column_ += std::min(width, count);
      if (width > count) break;  // the rest of the tab stays
      line_.remove_prefix(1);
      count -= width;
    }
    return *this;
  }
  LineCursor& skip_indent() { return skip_columns(indent()); }
  LineCursor& skip_mark(std::size_t length) {
    line_.remove_prefix(length);
    column_ += length;
    return *this;
  }

 private:
  std::string_view line_;
  std::size_t column_ = 0;
};

std::string_view unindented(LineCursor cursor) { return cursor.skip_indent().rest(); }

/// Each container looks at the rest of the line again, so that a line of nothing but marks must not
/// open ever more of them.
constexpr std::size_t deepest = 100;

/// A quote, or an item of a list with the column at which its content begins.
struct Container {
  bool quote = false;
  std::size_t content = 0;
  bool empty = false;  // an item that began with an empty line
};

/// The innermost block that is still open.
enum class Leaf { none, paragraph, table, fence, html, code };

class BlockReader {
 public:
  void line(std::string_view text) {
    LineCursor cursor(text);
    const std::size_t matched = match_containers(cursor);
    const bool all = matched == containers_.size();
    if (all && leaf_ == Leaf::fence) return fence_line(cursor);
    if (all && leaf_ == Leaf::html) return html_line(cursor);
    if (cursor.blank()) {
      close_from(matched);
      leaf_ = Leaf::none;
      return begin(false);
    }
    std::vector<Container> opened =
        open_containers(cursor, matched, all && leaf_ == Leaf::paragraph);
    if (opened.empty() && leaf_ == Leaf::paragraph && continues_paragraph(cursor, all))
      return paragraph_line(cursor, all);
    if (!opened.empty() || !all) leaf_ = Leaf::none;
    close_from(matched);
    containers_.insert(containers_.end(), opened.begin(), opened.end());
    if (!cursor.blank()) open_leaf(cursor);
    begin(leaf_ == Leaf::paragraph && containers_.empty());
  }

  Layout layout() const {
    const bool top = containers_.empty();
    Layout layout;
    layout.starts_block = starts_block_;
    if (top && leaf_ == Leaf::fence) layout.closer = std::string(fence_.length, fence_.mark);
    if (top && leaf_ == Leaf::html) layout.closer = html_end_;
    const bool open_html = leaf_ == Leaf::html && html_end_.empty();
    layout.absorbs_next =
        !top || leaf_ == Leaf::table || open_html || (leaf_ == Leaf::paragraph && definition_);
    return layout;
  }

 private:
  static LineCursor after_quote_mark(LineCursor cursor) {
    return cursor.skip_indent().skip_mark(1).skip_columns(1);
  }

  /// How many of the open containers the line belongs to; `cursor` moves behind their marks.
  std::size_t match_containers(LineCursor& cursor) {
    std::size_t matched = 0;
    for (Container& container : containers_) {
      if (container.quote) {
        if (cursor.indent() > 3 || !unindented(cursor).starts_with('>')) break;
        cursor = after_quote_mark(cursor);
      } else if (cursor.blank()) {
        if (container.empty && cursor.indent() < container.content) break;
      } else {
        if (cursor.indent() < container.content) break;
        cursor.skip_columns(container.content);
        container.empty = false;
      }
      ++matched;
    }
    return matched;
  }

  void close_from(std::size_t matched) {
    containers_.erase(containers_.begin() + static_cast<std::ptrdiff_t>(matched),
                      containers_.end());
  }

  /// The containers that begin in what is left of the line, inside of those that are open.
  static std::vector<Container> open_containers(LineCursor& cursor, std::size_t open,
                                                bool in_paragraph) {
    std::vector<Container> opened;
    while (open + opened.size() < deepest && cursor.indent() <= 3 && !cursor.blank()) {
      const std::string_view rest = unindented(cursor);
      if (rest.starts_with('>')) {
        opened.push_back({true});
        cursor = after_quote_mark(cursor);
        continue;
      }
      const auto marker = list_marker(rest);
      const bool interrupting = in_paragraph && opened.empty();
      if (!marker || thematic_break(rest) ||
          (interrupting && (!marker->interrupts || setext_underline(rest))))
        break;
      const std::size_t begin = cursor.column();
      cursor.skip_indent().skip_mark(marker->length);
      // the rest is indented code, or the item begins with an empty line
      const bool one = cursor.indent() > 4 || cursor.blank();
      const std::size_t mark_end = cursor.column();
      const bool empty = cursor.blank();
      cursor.skip_columns(one ? 1 : cursor.indent());
      opened.push_back({false, (one ? mark_end + 1 : cursor.column()) - begin, empty});
    }
    return opened;
  }

  /// `all`: the line is in the paragraph's own containers. Otherwise it may still continue it
  /// lazily.
  static bool continues_paragraph(const LineCursor& cursor, bool all) {
    if (cursor.indent() > 3) return true;
    const std::string_view rest = unindented(cursor);
    if (all && setext_underline(rest)) return true;
    const auto html = html_start(rest);
    return !atx_heading(rest) && !opening_fence(rest) && !thematic_break(rest) &&
           !(html && (html->interrupts || !all));
  }

  void paragraph_line(const LineCursor& cursor, bool all) {
    const std::string_view rest = unindented(cursor);
    ++paragraph_lines_;
    definition_ = unfinished_definition(rest);
    if (all && cursor.indent() <= 3 && setext_underline(rest)) {
      leaf_ = Leaf::none;
      starts_block_ = starts_block_ || first_paragraph_;
    } else if (all && table_delimiter(rest)) {
      // at the very start a label before the header would be a cell of its own, or part of one
      starts_block_ = starts_block_ || (first_paragraph_ && paragraph_lines_ == 2);
      if (table_cells(previous_) == table_cells(rest)) leaf_ = Leaf::table;
    }
    previous_ = rest;
  }

  void open_leaf(const LineCursor& cursor) {
    const std::string_view rest = unindented(cursor);
    if (cursor.indent() > 3) {
      leaf_ = Leaf::code;
    } else if (const auto fence = opening_fence(rest)) {
      leaf_ = Leaf::fence;
      fence_ = *fence;
    } else if (const auto html = html_start(rest)) {
      leaf_ = Leaf::html;
      html_end_ = html->end;
      html_line(cursor);
    } else if (atx_heading(rest) || thematic_break(rest)) {
      leaf_ = Leaf::none;
    } else if (leaf_ != Leaf::table) {
      leaf_ = Leaf::paragraph;
      paragraph_lines_ = 1;
      previous_ = rest;
      definition_ = unfinished_definition(rest);
    }
  }

  /// A block has begun, or an empty line is there. What is not a paragraph at the very start must
  /// not share a line with a label.
  void begin(bool paragraph) {
    first_paragraph_ = !begun_ && paragraph;
    if (!begun_ && !paragraph) starts_block_ = true;
    begun_ = true;
  }

  /// `[name]:` with its address still to come: the next line would become it.
  static bool unfinished_definition(std::string_view rest) {
    const std::size_t end = rest.starts_with('[') ? rest.find("]:") : rest.npos;
    return end != rest.npos && blank_line(rest.substr(end + 2));
  }

  void fence_line(const LineCursor& cursor) {
    if (cursor.indent() <= 3 && closes(fence_, unindented(cursor))) leaf_ = Leaf::none;
  }

  void html_line(const LineCursor& cursor) {
    if (ends_html(html_end_, cursor.rest())) leaf_ = Leaf::none;
  }

  std::vector<Container> containers_;
  Leaf leaf_ = Leaf::none;
  Fence fence_;
  std::string html_end_;
  std::size_t paragraph_lines_ = 0;
  std::string_view previous_;  // line of the paragraph
  bool definition_ = false;
  bool begun_ = false, first_paragraph_ = false, starts_block_ = false;
};

}  // namespace

Layout layout_of(std::string_view text) {
  BlockReader reader;
  while (!text.empty()) {
    const auto newline =
        std::find_if(text.begin(), text.end(), [](char c) { return c == '\n' || c == '\r'; });
    const auto end = static_cast<std::size_t>(newline - text.begin());
    reader.line(text.substr(0, end));
    const std::size_t next = end + (text.substr(end).starts_with("\r\n") ? 2 : 1);
    text.remove_prefix(std::min(next, text.size()));
  }
  return reader.layout();
}

}  // namespace dialogue
