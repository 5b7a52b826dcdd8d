// The exports of ChatGPT and of Claude.ai, both named conversations.json: an array of
// conversations, each a tree of messages with a pointer to its current leaf.
#include "format.hpp"
#include "json_file.hpp"
#include "json_text.hpp"
#include "message_text.hpp"
#include "places.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

namespace dialogue {
namespace {

namespace fs = std::filesystem;

/// The parts of a message: text, also an empty one, transcribed speech, pictures. A picture is told
/// of only where the message would be empty without.
std::string text_of(const Json& content) {
  const Json& parts = member(content, "parts");
  std::vector<std::string> lines, pictures;
  for (std::size_t i = 0; parts.is_array() && i < parts.size(); ++i) {
    if (parts[i].is_string()) {
      lines.push_back(parts[i].get<std::string>());
    } else if (text_member(parts[i], "content_type") == "image_asset_pointer") {
      pictures.emplace_back("[image]");
    } else if (std::string text = text_member(parts[i], "text"); !text.empty()) {
      lines.push_back(std::move(text));
    }
  }
  std::string text = fmt::format("{}", fmt::join(lines, "\n"));
  return is_blank(text) ? fmt::format("{}", fmt::join(pictures, "\n")) : text;
}

std::optional<Message> message_of(const Json& node) {
  const Json& json = member(node, "message");
  const Json& content = member(json, "content");
  const std::string role = text_member(member(json, "author"), "role"),
                    recipient = text_member(json, "recipient");
  const std::string type = text_member(content, "content_type");
  const bool user = role == "user",
             answer = role == "assistant" && (recipient.empty() || recipient == "all");
  const bool hidden = flag_member(member(json, "metadata"), "is_visually_hidden_from_conversation");
  if ((!user && !answer) || hidden || (type != "text" && type != "multimodal_text"))
    return std::nullopt;
  Message message{user ? Role::user : Role::assistant, text_of(content),
                  time_of(member(json, "create_time")), text_member(json, "id")};
  return is_blank(message.text) ? std::nullopt : std::optional(std::move(message));
}

/// Where the conversation ends: its current node, or else the newest node without children.
std::string leaf_of(const Json& conversation) {
  const Json& mapping = member(conversation, "mapping");
  std::string leaf = text_member(conversation, "current_node");
  if (!mapping.is_object() || mapping.contains(leaf)) return leaf;
  Millis newest = -1;
  for (const auto& [id, node] : mapping.items()) {
    const Millis time = time_of(member(member(node, "message"), "create_time")).value_or(0);
    if (member(node, "children").empty() && time > newest) leaf = id, newest = time;
  }
  return leaf;
}

/// The ids from the root to `leaf`.
std::vector<std::string> path_to(const std::string& leaf, const Json& mapping) {
  std::vector<std::string> path;
  std::set<std::string> seen;  // a damaged tree may be a circle
  for (std::string id = leaf;
       mapping.is_object() && mapping.contains(id) && seen.insert(id).second;) {
    path.push_back(id);
    id = text_member(mapping[id], "parent");
  }
  std::reverse(path.begin(), path.end());
  return path;
}

/// All ids, each branch after the one before it.
std::vector<std::string> all_of(const Json& mapping) {
  std::vector<std::string> order, open;
  std::set<std::string> seen;
  if (!mapping.is_object()) return order;
  for (const auto& [id, node] : mapping.items()) {
    if (!mapping.contains(text_member(node, "parent"))) open.push_back(id);
  }
  while (!open.empty()) {
    const std::string id = std::move(open.back());
    open.pop_back();
    if (!mapping.contains(id) || !seen.insert(id).second) continue;
    order.push_back(id);
    const Json& children = member(mapping[id], "children");
    for (std::size_t i = children.is_array() ? children.size() : 0; i-- > 0;) {
      if (children[i].is_string()) open.push_back(children[i].get<std::string>());
    }
  }
  return order;
}

/// A conversation of Claude.ai in the shape of ChatGPT's: a list, whose messages name their parents
/// since 2025.
Json as_tree(const Json& conversation) {
  const Json& messages = member(conversation, "chat_messages");
  Json mapping = Json::object();
  std::string before;
  for (std::size_t i = 0; messages.is_array() && i < messages.size(); ++i) {
    const bool user = text_member(messages[i], "sender") == "human";
    std::string id = text_member(messages[i], "uuid"),
                parent = text_member(messages[i], "parent_message_uuid");
    if (id.empty()) id = fmt::format("{}", i + 1);
    std::string text = content_text(member(messages[i], "content"));
    if (is_blank(text)) text = text_member(messages[i], "text");
    for (const char* list : {"attachments", "files"}) {
      const Json& files = member(messages[i], list);
      if (is_blank(text) && files.is_array() && !files.empty())
        text = fmt::format("[file: {}]", text_member(files[0], "file_name"));
    }
    mapping[id] = {{"parent", parent.empty() ? before : parent}, {"children", Json::array()}};
    mapping[id]["message"] = {{"id", id},
                              {"author", {{"role", user ? "user" : "assistant"}}},
                              {"create_time", member(messages[i], "created_at")},
                              {"content", {{"content_type", "text"}, {"parts", {text}}}}};
    before = std::move(id);
  }
  for (const auto& [id, node] : mapping.items()) {
    const std::string parent = text_member(node, "parent");
    if (mapping.contains(parent)) mapping[parent]["children"].push_back(id);
  }
  return {{"mapping", std::move(mapping)},
          {"current_node", text_member(conversation, "current_leaf_message_uuid")}};
}

/// What the two exports call the same.
struct Names {
  const char* format;
  const char* messages;
  const char* id;
  const char* title;
  const char* updated;
  const char* created;
};
constexpr Names chatgpt = {"chatgpt", "mapping",     "conversation_id",
                           "title",   "update_time", "create_time"};
constexpr Names claude_ai = {"claude.ai", "chat_messages", "uuid",
                             "name",      "updated_at",    "created_at"};

template <const Names& names>
std::vector<Conversation> in_file(const fs::path& path, Report& report) {
  std::vector<Conversation> found;
  JsonFile(path).each_value([&](const JsonFile::Value& value) {
    Report unused;  // repairs count in the conversation that is saved
    const std::optional<Json> json = parse_json(value.text, unused);
    if (!json) {
      ++report.damaged;
    } else if (!member(*json, names.messages).is_structured()) {
      ++report.unknown;
    } else {
      std::string id = text_member(*json, names.id);
      if (id.empty()) id = text_member(*json, "id");
      Conversation conversation{names.format,
                                path,
                                std::move(id),
                                text_member(*json, names.title),
                                time_of(member(*json, names.updated)),
                                value.where};
      if (!conversation.updated) conversation.updated = time_of(member(*json, names.created));
      found.push_back(std::move(conversation));
    }
    return true;
  });
  return found;
}

void read(const Conversation& conversation, const ReadOptions& options, Report& report,
          const Sink& sink) {
  Json json = json_or_null(JsonFile(conversation.file).text_at(conversation.part), report);
  if (conversation.format == claude_ai.format) json = as_tree(json);
  const Json& mapping = member(json, "mapping");
  const std::vector<std::string> ids =
      options.all_branches ? all_of(mapping) : path_to(leaf_of(json), mapping);
  for (const std::string& id : ids) {
    std::optional<Message> message = message_of(mapping[id]);
    if (message && !sink(std::move(*message))) return;
  }
}

template <const Names& names>
bool recognizes(const FileHead& head) {
  return head.has(names.messages);
}

}  // namespace

Format chatgpt_format() {
  return {chatgpt.format, recognizes<chatgpt>, in_file<chatgpt>, nullptr, read};
}
Format claude_ai_format() {
  return {claude_ai.format, recognizes<claude_ai>, in_file<claude_ai>, nullptr, read};
}

}  // namespace dialogue
