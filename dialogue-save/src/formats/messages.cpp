// Messages as the chat interfaces of models take and give them: role and content, in an array, a
// line each, or in an object with `messages` or `input`, of which a file may hold many.
#include "format.hpp"
#include "json_file.hpp"
#include "json_text.hpp"
#include "message_text.hpp"
#include "places.hpp"

#include <fmt/format.h>

namespace dialogue {
namespace {

namespace fs = std::filesystem;

/// The messages of an object that is a conversation; null where it is none.
const Json& list_of(const Json& json) {
  const Json& messages = member(json, "messages");
  return messages.is_array() ? messages : member(json, "input");
}

/// The first of these that is there.
const Json& first_member(const Json& json, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    if (const Json& value = member(json, key); !value.is_null()) return value;
  }
  return member(json, "");
}

std::optional<Message> message_of(const Json& json, Report& report) {
  const Json& name = first_member(json, {"role", "from"});
  const std::string role = name.is_string() ? name.get<std::string>() : "";
  const bool user = role == "user" || role == "human",
             answer = role == "assistant" || role == "ai" || role == "model";
  const bool other =
      role == "system" || role == "developer" || role == "tool" || role == "function";
  if (!user && !answer) {
    if (!other) ++report.unknown;
    return std::nullopt;
  }
  Message message{user ? Role::user : Role::assistant,
                  content_text(first_member(json, {"content", "text", "value"}))};
  message.time = time_of(first_member(json, {"created_at", "timestamp", "create_time"}));
  message.id = text_member(json, "id");
  return is_blank(message.text) ? std::nullopt : std::optional(std::move(message));
}

/// Objects with a list are conversations of their own; messages that lie in the file one by one are
/// one conversation.
std::vector<Conversation> in_file(const fs::path& path, Report& report) {
  std::vector<Conversation> found;
  bool loose = false;
  std::size_t lists = 0;
  JsonFile(path).each([&](const JsonFile::Value& value) {
    Report unused;  // repairs count in the conversation that is saved
    const std::optional<Json> json = parse_json(value.text, unused);
    if (!json && !value.growing) ++report.damaged;
    if (!json || !list_of(*json).is_array()) {
      loose = loose || (json && !first_member(*json, {"role", "from"}).is_null());
      return true;
    }
    std::string id = text_member(*json, "id");
    if (id.empty()) id = fmt::format("{}", ++lists);
    found.push_back({"messages", path, std::move(id), text_member(*json, "title"),
                     time_of(first_member(*json, {"updated_at", "created_at"})), value.where});
    return true;
  });
  if (loose || found.empty())
    found.push_back({"messages", path, path.stem().string(), {}, modified(path)});
  return found;
}

void read(const Conversation& conversation, const ReadOptions&, Report& report, const Sink& sink) {
  JsonFile file(conversation.file);
  if (conversation.part.length > 0) {
    const Json json = json_or_null(file.text_at(conversation.part), report);
    for (const Json& entry : list_of(json)) {
      std::optional<Message> message = message_of(entry, report);
      if (message && !sink(std::move(*message))) return;
    }
    return;
  }
  file.each([&](const JsonFile::Value& value) {
    const std::optional<Json> json = parse_json(value.text, report);
    if (!json || list_of(*json).is_array()) return true;
    std::optional<Message> message = message_of(*json, report);
    return !message || sink(std::move(*message));
  });
}

bool recognizes(const FileHead& head) {
  return head.has("messages") || head.has("input") ||
         ((head.has("role") || head.has("from")) &&
          (head.has("content") || head.has("text") || head.has("value")));
}

}  // namespace

Format messages_format() { return {"messages", recognizes, in_file, nullptr, read}; }

}  // namespace dialogue
