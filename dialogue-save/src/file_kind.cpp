#include "file_kind.hpp"

#include "json_file.hpp"
#include "json_text.hpp"

#include <fmt/format.h>

namespace dialogue {
namespace {

/// The keys of the outermost objects in `text`, which may end anywhere.
std::set<std::string, std::less<>> outer_keys(std::string_view text) {
  std::set<std::string, std::less<>> keys;
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '{') ++depth;
    if (text[i] == '}') --depth;
    if (text[i] != '"') continue;
    std::size_t end = i + 1;
    while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
    const std::size_t after = end < text.size() ? text.find_first_not_of(" \t\r\n", end + 1) : text.npos;
    if (depth <= 1 && after != text.npos && text[after] == ':') keys.emplace(text.substr(i + 1, end - i - 1));
    i = end;
  }
  return keys;
}

struct Answer {
  const char* what;
  const char* advice = "it is not read; export or copy the conversation there";
};

/// Files of assistants that are not read, some of which look like those that are.
std::optional<Answer> foreign(const FileHead& head) {
  Report unused;
  const std::string_view bytes = head.bytes;
  const Json first = parse_json(bytes.substr(0, bytes.find('\n')), unused).value_or(Json());
  const std::string type = text_member(first, "type");
  const auto holds = [&](std::string_view text) { return bytes.find(text) != bytes.npos; };
  if (bytes.starts_with("PK\x03\x04")) return Answer{"a zip archive", "unpack it and name the file conversations.json in it"};
  if (bytes.starts_with("\x28\xB5\x2F\xFD"))
    return Answer{"a file that zstd packed", "unpack it with 'zstd -d' and name the result"};
  if (head.has("projectHash")) return Answer{"a session of Gemini CLI"};
  if (head.has("data") && type.starts_with("session.")) return Answer{"a session of GitHub Copilot CLI"};
  if (head.has("requesterUsername") || head.has("responderUsername")) return Answer{"a chat of GitHub Copilot in VS Code"};
  if (head.has("parentUuid") && holds("\"parts\"") && !holds("\"content\"")) return Answer{"a session of Qwen Code"};
  if (head.has("history") && head.has("workspaceDirectory")) return Answer{"a session of Continue"};
  if (type == "session_start") return Answer{"a session of Factory's Droid"};
  if (type == "session" && head.has("message")) return Answer{"a session of pi or OpenClaw"};
  if (bytes.starts_with("\n# aider chat") || bytes.starts_with("# aider chat"))
    return Answer{"Aider's history, which is Markdown already"};
  return std::nullopt;
}

}  // namespace

const Format& format_of(const Options& options) {
  constexpr std::size_t enough = 1 << 20;
  FileHead head{JsonFile(options.file).head(enough), {}};
  head.keys = outer_keys(head.bytes);
  if (head.bytes.empty()) throw Failure(Exit::nothing_found, fmt::format("[find] '{}' is empty", options.file.string()));
  const bool any = options.from == "auto";
  std::optional<Answer> other = any ? foreign(head) : std::nullopt;
  const Format* last = nullptr;
  for (const Format& format : formats()) {
    if (other || (!any && options.from != format.name)) continue;
    if (format.recognizes(head)) return format;
    last = &format;
  }
  if (!any && last) return *last;
  if (!other) other = Answer{"something else", "say with --from what it is"};
  throw Failure(Exit::unreadable, fmt::format("[find] '{}' is no conversation that is known; got {}; {}", options.file.string(),
                                              other->what, other->advice));
}

}  // namespace dialogue
