#include "message_text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace dialogue {
namespace {

constexpr std::string_view space = " \t\n\v\f\r";

/// Whether the line goes on with words. A program's element ends its line, or another element or a
/// word without a space follows.
bool sentence_goes_on(std::string_view rest) {
  constexpr std::string_view marks = ",.;:?!)'\"";
  rest = rest.substr(0, rest.find_first_of("\r\n"));
  const std::string_view words = without_indent(rest);
  if (words.empty() || words[0] == '<') return false;
  return words.size() < rest.size() || marks.find(words[0]) != marks.npos || (words[0] & 0x80) != 0;
}

/// The start of the element that ends at the end of `text`, npos if there is none.
std::size_t wrapper_at_end(std::string_view text, std::string_view tag) {
  if (!text.ends_with(fmt::format("</{}>", tag))) return text.npos;
  const std::size_t start = text.rfind(fmt::format("<{}", tag));
  return start == text.npos || (start > 0 && text[start - 1] != '\n') ? text.npos : start;
}

std::string marker(const Json& block, std::string_view type) {
  if (type == "image" || type == "image_url" || type == "input_image" || type == "local_image" ||
      type == "image_asset_pointer")
    return "[image]";
  if (type != "file" && type != "input_file" && type != "document") return {};
  for (const char* key : {"name", "filename", "file_name", "title"}) {
    if (const std::string name = text_member(block, key); !name.empty())
      return fmt::format("[file: {}]", name);
  }
  return "[file]";
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of("\r\n"), text.size()));
  return text.substr(0, text.find_last_not_of(space) + 1);
}

bool is_blank(std::string_view text) { return text.find_first_not_of(space) == text.npos; }

std::string_view without_indent(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of(space), text.size()));
}

std::size_t element_at_start(std::string_view text, std::string_view tag) {
  const bool opens = text.starts_with(fmt::format("<{}", tag)) && text.size() > tag.size() + 1;
  if (!opens || std::string_view("> \t\r\n").find(text[tag.size() + 1]) == std::string_view::npos)
    return 0;
  const std::string close = fmt::format("</{}>", tag);
  const std::size_t closed = text.find(close), opened = text.find('>');
  if (opened == text.npos) return 0;
  const std::size_t end = closed == text.npos ? opened + 1 : closed + close.size();
  const bool more_lines =
      closed == text.npos && text.find_first_not_of(space, text.find('\n', end)) != text.npos;
  return sentence_goes_on(text.substr(end)) || more_lines ? 0 : end;
}

bool starts_with_element(std::string_view text, std::span<const std::string_view> tags) {
  return std::any_of(tags.begin(), tags.end(),
                     [&](std::string_view tag) { return element_at_start(text, tag) > 0; });
}

std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) {
    if (is_blank(text)) continue;
    if (!all.empty()) all += "\n\n";
    all += trimmed(text);
  }
  return all;
}

std::string content_text(const Json& content, std::string_view (*clean)(std::string_view)) {
  const auto cleaned = [clean](const Json& text) {
    if (!text.is_string()) return std::string();
    const std::string& bytes = text.get_ref<const std::string&>();
    return clean ? std::string(clean(bytes)) : bytes;
  };
  if (!content.is_array()) return cleaned(content);
  std::vector<std::string> texts, markers;
  for (const Json& block : content) {
    const std::string type = block.is_string() ? "text" : text_member(block, "type");
    if (type == "text" || type == "input_text" || type == "output_text" || type == "Text" ||
        type.empty()) {
      texts.push_back(cleaned(block.is_string() ? block : member(block, "text")));
    } else if (std::string line = marker(block, type); !line.empty()) {
      markers.push_back(std::move(line));
    }
  }
  if (texts.size() == 1 && !is_blank(texts[0])) return std::move(texts[0]);  // its white space too
  const std::string text = joined(texts);
  return text.empty() ? fmt::format("{}", fmt::join(markers, "\n")) : text;
}

bool has_block(const Json& content, std::string_view type) {
  if (!content.is_array()) return false;
  for (const Json& block : content) {
    if (text_member(block, "type") == type) return true;
  }
  return false;
}

std::string_view without_wrappers(std::string_view text, std::span<const std::string_view> tags) {
  for (bool again = true; again;) {
    again = false;
    for (const std::string_view tag : tags) {
      const std::string_view start = without_indent(text);
      const std::string_view end = text.substr(0, text.find_last_not_of(space) + 1);
      const std::size_t after = element_at_start(start, tag);
      if (after > 0 && start.substr(0, after).ends_with(fmt::format("</{}>", tag))) {
        text = start.substr(after);
        again = true;
      } else if (const std::size_t before = wrapper_at_end(end, tag); before != text.npos) {
        text = end.substr(0, before);
        again = true;
      }
    }
  }
  return text;
}

std::optional<std::string_view> inside(std::string_view text, std::string_view tag) {
  const std::string open = fmt::format("<{}>", tag), close = fmt::format("</{}>", tag);
  const std::size_t start = text.find(open), end = text.rfind(close);
  if (start == text.npos || end == text.npos || end < start + open.size()) return std::nullopt;
  return text.substr(start + open.size(), end - start - open.size());
}

}  // namespace dialogue
