#include "claude_record.hpp"

#include "message_text.hpp"

#include <algorithm>
#include <array>

namespace dialogue {
namespace {

constexpr std::array<std::string_view, 4> wrappers = {"ide_opened_file", "ide_selection", "system-reminder",
                                                      "post-tool-use-hook"};

/// How a text begins that a program wrote in the user's name. A question that only mentions such a tag is a question.
constexpr std::array<std::string_view, 9> not_typed = {
    "<local-command-stdout>", "<local-command-stderr>", "<local-command-caveat>", "Caveat: The messages below",  "<bash-input>",
    "<bash-stdout>",          "<bash-stderr>",          "<task-notification>",    "[Request interrupted by user"};

const Json& content_of(const Json& record) { return member(member(record, "message"), "content"); }

/// The content without the elements that an editor wraps around what was typed; each block by itself.
std::string typed_text(const Json& content) {
  return content_text(content, [](std::string_view text) { return without_wrappers(text, wrappers); });
}

bool is_command(std::string_view text) { return text.starts_with("<command-name>") || text.starts_with("<command-message>"); }

/// `/name arguments` of the tags, which come in any order; a name may lack its slash.
std::string typed_command(std::string_view text) {
  const std::string_view name = trimmed(inside(text, "command-name").value_or(inside(text, "command-message").value_or("")));
  const std::string_view arguments = trimmed(inside(text, "command-args").value_or(""));
  std::string typed(name.starts_with('/') ? "" : "/");
  typed += name;
  if (!arguments.empty()) (typed += ' ') += arguments;
  return typed;
}

ClaudeKind user_kind(const Json& record) {
  const Json& content = content_of(record);
  if (flag_member(record, "isCompactSummary") || flag_member(record, "isVisibleInTranscriptOnly")) return ClaudeKind::none;
  const bool has_text = content.is_string() || has_block(content, "text");
  const bool only_pictures = has_block(content, "image") && !has_block(content, "tool_result");
  if (!has_text && !only_pictures) return ClaudeKind::none;
  if (flag_member(record, "isMeta")) return ClaudeKind::command_body;
  const std::string text = typed_text(content);
  if (is_blank(text)) return ClaudeKind::none;
  const auto begins = [&](std::string_view start) { return text.starts_with(start); };
  if (std::any_of(not_typed.begin(), not_typed.end(), begins)) return ClaudeKind::none;
  return is_command(text) ? ClaudeKind::command : ClaudeKind::question;
}

ClaudeKind attachment_kind(const Json& record) {
  const Json& attachment = member(record, "attachment");
  const std::string origin = text_member(member(attachment, "origin"), "kind");
  const bool typed = text_member(attachment, "type") == "queued_command" && text_member(attachment, "commandMode") == "prompt" &&
                     (origin.empty() || origin == "human");
  return typed ? ClaudeKind::queued : ClaudeKind::none;
}

}  // namespace

ClaudeKind claude_kind(const Json& record) {
  const std::string type = text_member(record, "type");
  if (type == "user") return user_kind(record);
  if (type == "attachment") return attachment_kind(record);
  if (type == "queue-operation") {
    return text_member(record, "operation") == "remove" && member(record, "content").is_string() ? ClaudeKind::removed
                                                                                                 : ClaudeKind::none;
  }
  const bool answer = type == "assistant" && text_member(member(record, "message"), "model") != "<synthetic>" &&
                      (content_of(record).is_string() || has_block(content_of(record), "text"));
  return answer ? ClaudeKind::answer : ClaudeKind::none;
}

bool claude_type_known(const Json& record) {
  constexpr std::array<std::string_view, 14> known = {
      "user", "assistant",    "summary",  "system",   "attachment",  "queue-operation", "file-history-snapshot",
      "mode", "custom-title", "ai-title", "progress", "last-prompt", "agent-name",      "permission-mode"};
  return std::find(known.begin(), known.end(), text_member(record, "type")) != known.end();
}

std::string claude_text(const Json& record, ClaudeKind kind) {
  switch (kind) {
    case ClaudeKind::none: return {};
    case ClaudeKind::question: return typed_text(content_of(record));
    case ClaudeKind::command: return typed_command(typed_text(content_of(record)));
    case ClaudeKind::command_body:
    case ClaudeKind::answer: return content_text(content_of(record));
    case ClaudeKind::queued: return typed_text(member(member(record, "attachment"), "prompt"));
    case ClaudeKind::removed: return text_member(record, "content");
  }
  return {};
}

}  // namespace dialogue
