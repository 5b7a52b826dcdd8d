// How a message's Markdown meets what is written before and after it.
#pragma once

#include <string>
#include <string_view>

namespace dialogue {

struct Layout {
  /// The message begins with a block of its own (fence, heading, list, quote, table, rule, HTML,
  /// indented code), which would be lost if a label stood before it on the same line.
  bool starts_block = false;
  /// A line written right after the message would become part of its last list, quote, table or
  /// HTML block.
  bool absorbs_next = false;
  /// The line that closes what the message leaves open and what would swallow all that follows: a
  /// fence or an HTML block that ends only at its end mark. Empty if there is none.
  std::string closer;
};

/// Reads `text` by the block rules of CommonMark with GitHub's tables, as far as these three
/// answers need them: containers, fences, HTML blocks and paragraphs; nothing inline. Takes time
/// linear in the text for any real nesting. Source: CommonMark 0.29,
/// https://spec.commonmark.org/0.29/#appendix-a-parsing-strategy
Layout layout_of(std::string_view text);

}  // namespace dialogue
