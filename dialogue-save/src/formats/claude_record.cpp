#include "claude_record.hpp"

#include "message_text.hpp"

#include <algorithm>
#include <array>

namespace dialogue {
namespace {

/// What an editor or a hook wraps around what was typed.
constexpr std::string_view wrappers[] = {"ide_opened_file",    "ide_selection",
                                         "ide_diagnostics",    "system-reminder",
                                         "post-tool-use-hook", "user-prompt-submit-hook"};

/// Elements that a program writes in the user's name.
constexpr std::string_view notices[] = {
    // commands of the program and of the shell
    "local-command-stdout", "local-command-stderr", "local-command-caveat", "bash-input",
    "bash-stdout", "bash-stderr", "user-memory-input",
    // tasks, other agents and sessions
    "task-notification", "scheduled-task", "teammate-message", "agent-message",
    "cross-session-message", "channel", "channel-message", "tick",
    // what the program tells the model
    "remote-review", "remote-review-progress", "fork-boilerplate", "ultraplan", "collapsed"};

const Json& content_of(const Json& record) { return member(member(record, "message"), "content"); }
bool has(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

/// Without the elements around what was typed; nothing if a program wrote all of it.
std::string_view without_notice(std::string_view text) {
  text = without_wrappers(text, wrappers);
  return claude_notice(text) ? std::string_view() : text;
}

/// What was typed, each block by itself.
std::string typed_text(const Json& content) { return content_text(content, without_notice); }

bool is_command(std::string_view text) {
  constexpr std::string_view names[] = {"command-name", "command-message"};
  const std::string_view start = without_indent(text);
  return starts_with_element(start, names) ||
         (element_at_start(start, "command-args") > 0 && has(start, "</command-name>"));
}

/// `/name arguments` of the tags, which come in any order; a name may lack its slash. Other texts
/// as they are.
std::string as_typed(std::string text) {
  if (!is_command(text)) return text;
  const std::string_view name =
      trimmed(inside(text, "command-name").value_or(inside(text, "command-message").value_or("")));
  const std::string_view arguments = trimmed(inside(text, "command-args").value_or(""));
  std::string typed(name.starts_with('/') ? "" : "/");
  typed += name;
  if (!arguments.empty()) (typed += ' ') += arguments;
  return typed;
}

/// Whether a record, or the attachment in one, says that no person typed it.
bool says_not_typed(const Json& json) {
  const Json& origin = member(json, "origin");
  const std::string kind =
      origin.is_string() ? origin.get<std::string>() : text_member(origin, "kind");
  return (!kind.empty() && kind != "human") || text_member(json, "promptSource") == "system" ||
         flag_member(json, "isCompactSummary") || flag_member(json, "isVisibleInTranscriptOnly") ||
         flag_member(json, "isCollapseSummary");
}

ClaudeKind user_kind(const Json& record) {
  const Json& content = content_of(record);
  if (says_not_typed(record)) return ClaudeKind::none;
  const bool has_text = content.is_string() || has_block(content, "text");
  const bool only_pictures = has_block(content, "image") && !has_block(content, "tool_result");
  if (!has_text && !only_pictures) return ClaudeKind::none;
  if (flag_member(record, "isMeta")) return ClaudeKind::command_body;
  const std::string text = typed_text(content);
  if (is_blank(text)) return ClaudeKind::none;
  return is_command(text) ? ClaudeKind::command : ClaudeKind::question;
}

bool is_queued_command(const Json& attachment) {
  return text_member(attachment, "type") == "queued_command";
}

ClaudeKind attachment_kind(const Json& record) {
  const Json& attachment = member(record, "attachment");
  const bool typed =
      is_queued_command(attachment) && text_member(attachment, "commandMode") == "prompt" &&
      !says_not_typed(record) && !says_not_typed(attachment) && !flag_member(record, "isMeta") &&
      !flag_member(attachment, "isMeta") && !is_blank(typed_text(member(attachment, "prompt")));
  return typed ? ClaudeKind::queued : ClaudeKind::none;
}

}  // namespace

bool claude_notice(std::string_view text) {
  const std::string_view start = trimmed(without_indent(text));
  if (start.starts_with('<')) return starts_with_element(start, notices);
  return start.starts_with("Caveat: The messages below were generated") ||
         (start.starts_with("[Request interrupted by user") &&
          start.find(']') == start.size() - 1) ||
         (start.starts_with("This session is being continued from a previous conversation") &&
          (has(start, "The summary below covers") || has(start, "summarized below")));
}

ClaudeKind claude_kind(const Json& record) {
  const std::string type = text_member(record, "type");
  if (type == "user") return user_kind(record);
  if (type == "attachment") return attachment_kind(record);
  if (type == "queue-operation") return ClaudeKind::queue_row;
  const bool answer = type == "assistant" &&
                      text_member(member(record, "message"), "model") != "<synthetic>" &&
                      (content_of(record).is_string() || has_block(content_of(record), "text"));
  return answer ? ClaudeKind::answer : ClaudeKind::none;
}

Lead claude_lead(const Json& record, ClaudeKind kind) {
  const std::string type = text_member(record, "type");
  const bool result = has_block(content_of(record), "tool_result");
  if (kind == ClaudeKind::question || kind == ClaudeKind::command)
    return result ? Lead::other : Lead::typed;
  if (type == "user") {
    // local commands, what they print, and notes stand between the typed rows of a branch
    const std::string text = content_text(content_of(record));
    const bool local = text.starts_with("<local-command-") || text.starts_with("<bash-") ||
                       text.starts_with("<user-memory-input>") || flag_member(record, "isMeta");
    return local && !result && !says_not_typed(record) ? Lead::none : Lead::other;
  }
  if (type == "system")
    return has(text_member(record, "subtype"), "compact") ? Lead::other : Lead::none;
  return type == "assistant" || is_queued_command(member(record, "attachment")) ? Lead::other
                                                                                : Lead::none;
}

bool claude_unknown(const Json& record) {
  constexpr std::array<std::string_view, 6> known = {"user",       "assistant",       "system",
                                                     "attachment", "queue-operation", "progress"};
  if (std::find(known.begin(), known.end(), text_member(record, "type")) != known.end())
    return false;
  return !member(record, "message").is_null() || !member(record, "content").is_null();
}

std::string claude_text(const Json& record, ClaudeKind kind) {
  switch (kind) {
    case ClaudeKind::none: return {};
    case ClaudeKind::question:
    case ClaudeKind::command: return as_typed(typed_text(content_of(record)));
    case ClaudeKind::command_body:
    case ClaudeKind::answer: return content_text(content_of(record));
    case ClaudeKind::queued:
      return as_typed(typed_text(member(member(record, "attachment"), "prompt")));
    case ClaudeKind::queue_row: return content_text(member(record, "content"));
  }
  return {};
}

std::string claude_told(const Json& record) {
  const Json& attachment = member(record, "attachment");
  const bool queued = is_queued_command(attachment);
  if (!queued && text_member(record, "type") != "user") return {};
  const Json& content = queued ? member(attachment, "prompt") : content_of(record);
  std::string text = typed_text(content);
  if (is_blank(text)) text = content_text(content);
  const auto shell = text.starts_with("<bash-input>") ? inside(text, "bash-input") : std::nullopt;
  return as_typed(shell ? std::string(*shell) : std::move(text));
}

}  // namespace dialogue
