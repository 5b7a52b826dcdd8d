// ChatGPT's export, conversations.json: an array of conversations, each a tree of messages with a pointer to its current leaf.
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

/// The parts of a message: text, also an empty one, transcribed speech, pictures. A picture is told of only where the message
/// would be empty without.
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
  const std::string role = text_member(member(json, "author"), "role"), recipient = text_member(json, "recipient");
  const std::string type = text_member(content, "content_type");
  const bool user = role == "user", answer = role == "assistant" && (recipient.empty() || recipient == "all");
  const bool hidden = flag_member(member(json, "metadata"), "is_visually_hidden_from_conversation");
  if ((!user && !answer) || hidden || (type != "text" && type != "multimodal_text")) return std::nullopt;
  Message message{user ? Role::user : Role::assistant, text_of(content), time_of(member(json, "create_time")),
                  text_member(json, "id")};
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
  for (std::string id = leaf; mapping.is_object() && mapping.contains(id) && seen.insert(id).second;) {
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

std::vector<Conversation> in_file(const fs::path& path, Report& report) {
  std::vector<Conversation> found;
  JsonFile(path).each_value([&](const JsonFile::Value& value) {
    Report unused;  // repairs count in the conversation that is saved
    const std::optional<Json> json = parse_json(value.text, unused);
    if (!json) {
      ++report.damaged;
    } else if (!member(*json, "mapping").is_object()) {
      ++report.unknown;
    } else {
      std::string id = text_member(*json, "conversation_id");
      if (id.empty()) id = text_member(*json, "id");
      Conversation conversation{
          "chatgpt", path, std::move(id), text_member(*json, "title"), time_of(member(*json, "update_time")), value.where};
      if (!conversation.updated) conversation.updated = time_of(member(*json, "create_time"));
      found.push_back(std::move(conversation));
    }
    return true;
  });
  return found;
}

void read(const Conversation& conversation, const ReadOptions& options, Report& report, const Sink& sink) {
  const Json json = parse_json(JsonFile(conversation.file).text_at(conversation.part), report).value_or(Json());
  const Json& mapping = member(json, "mapping");
  const std::vector<std::string> ids = options.all_branches ? all_of(mapping) : path_to(leaf_of(json), mapping);
  for (const std::string& id : ids) {
    std::optional<Message> message = message_of(mapping[id]);
    if (message && !sink(std::move(*message))) return;
  }
}

bool recognizes(const FileHead& head) { return head.has("mapping"); }

}  // namespace

Format chatgpt_format() { return {"chatgpt", recognizes, in_file, nullptr, read}; }

}  // namespace dialogue
