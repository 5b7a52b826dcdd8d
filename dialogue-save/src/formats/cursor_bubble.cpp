#include "cursor_bubble.hpp"

#include "message_text.hpp"

namespace dialogue {
namespace {

constexpr int deepest = 100;  // levels of an editor state; real ones have five

void append_lexical(const Json& node, int depth, std::string& text) {
  const std::string type = text_member(node, "type");
  if (type == "linebreak") text += '\n';
  const std::string own = text_member(node, "text");
  text += own.empty() && type == "mention" ? text_member(node, "mentionName") : own;
  const Json& children = member(node, "children");
  if (!children.is_array() || depth > deepest) return;
  bool first = true;
  for (const Json& child : children) {
    const bool block = member(child, "children").is_array() && text_member(child, "type") != "link";
    if (block && !first) text += '\n';
    append_lexical(child, depth + 1, text);
    first = false;
  }
}

/// The first of these that has text.
std::string first_text(const Json& bubble, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    std::string text = text_member(bubble, key);
    if ((std::string_view(key) == "richText" || std::string_view(key) == "initText") &&
        !text.empty())
      text = lexical_text(text);
    if (!is_blank(text)) return text;
  }
  return {};
}

std::optional<Millis> bubble_time(const Json& bubble) {
  if (const auto created = time_of(member(bubble, "createdAt"))) return created;
  const Json& timing = member(bubble, "timingInfo");
  for (const char* key :
       {"clientRpcSendTime", "clientSettleTime", "clientEndTime", "clientStartTime"}) {
    const Json& value = member(timing, key);
    // a start may be counted from the start of the program: no time of day
    if (value.is_number() && value.get<double>() > 1e12) return time_of(value);
  }
  return std::nullopt;
}

std::string user_text(const Json& bubble) {
  std::string delegated = text_member(member(bubble, "delegate"), "a");
  if (!is_blank(delegated)) return delegated;
  std::string text = first_text(bubble, {"text", "richText", "initText", "rawText"});
  if (text.empty()) text = content_text(member(bubble, "content"));
  const Json& images = member(bubble, "images");
  for (std::size_t i = 0; text.empty() && images.is_array() && i < images.size(); ++i)
    text += i + 1 < images.size() ? "[image]\n" : "[image]";
  return text;
}

}  // namespace

bool cursor_simulated(const Json& bubble) {
  return flag_member(bubble, "isSimulatedMsg") ||
         flag_member(member(bubble, "grouping"), "isSimulatedMsg");
}

bool cursor_notice(std::string_view text) {
  constexpr std::string_view wrappers[] = {"timestamp", "system_reminder"};
  return element_at_start(without_indent(without_wrappers(text, wrappers)), "system_notification") >
         0;
}

std::string lexical_text(const std::string& state) {
  std::string text;
  append_lexical(member(json_or_null(state), "root"), 0, text);
  return text;
}

std::string without_command_bodies(std::string text) {
  constexpr std::string_view open = "\n\n--- Cursor Command: ", close = "\n--- End Command ---";
  for (std::size_t start = text.find(open); start != text.npos; start = text.find(open, start)) {
    const std::size_t end = text.find(close, start);
    if (end == text.npos) break;
    text.erase(start, end + close.size() - start);
  }
  return text;
}

std::optional<Message> cursor_message(const Json& bubble, Commands commands) {
  const Json& type = member(bubble, "type");
  const std::string role = type.is_string() ? type.get<std::string>() : text_member(bubble, "role");
  const bool user = type == 1 || role == "user",
             assistant = type == 2 || role == "ai" || role == "assistant";
  const Json& tool = member(bubble, "toolFormerData");
  if ((!user && !assistant) || member(bubble, "capabilityType") == 15 ||
      (tool.is_object() && !tool.empty()))
    return std::nullopt;
  Message message;
  message.role = user ? Role::user : Role::assistant;
  if (user) {
    message.text = user_text(bubble);
    if (cursor_simulated(bubble) || cursor_notice(message.text)) return std::nullopt;
    if (commands == Commands::typed) message.text = without_command_bodies(std::move(message.text));
  } else {
    message.text = first_text(bubble, {"text", "rawText"});
    if (message.text.empty()) message.text = content_text(member(bubble, "content"));
  }
  if (is_blank(message.text)) return std::nullopt;
  message.time = bubble_time(bubble);
  message.id = text_member(bubble, "bubbleId");
  return message;
}

}  // namespace dialogue
