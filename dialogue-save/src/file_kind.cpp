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
    const std::size_t after =
        end < text.size() ? text.find_first_not_of(" \t\r\n", end + 1) : text.npos;
    if (depth <= 1 && after != text.npos && text[after] == ':')
      keys.emplace(text.substr(i + 1, end - i - 1));
    i = end;
  }
  return keys;
}

/// What an assistant's file is that is not read, and what to do; some look like those that are.
using Foreign = std::pair<const char*, const char*>;

std::optional<Foreign> foreign(const FileHead& head) {
  constexpr const char* not_read = "it is not read; export or copy the conversation there";
  const std::string_view bytes = head.bytes;
  const std::string type = text_member(json_or_null(bytes.substr(0, bytes.find('\n'))), "type");
  const auto holds = [&](std::string_view text) { return bytes.find(text) != bytes.npos; };
  if (bytes.starts_with("PK\x03\x04"))
    return Foreign("a zip archive", "unpack it and name the file conversations.json in it");
  if (bytes.starts_with("\x28\xB5\x2F\xFD"))
    return Foreign("a file that zstd packed", "unpack it with 'zstd -d'");
  const char* what =
      head.has("projectHash") || (bytes.starts_with('[') && head.has("messageId"))
          ? "a session of Gemini CLI"
      : head.has("data") && type.starts_with("session.") ? "a session of GitHub Copilot CLI"
      : holds("\"requesterUsername\"")                   ? "a chat of GitHub Copilot in VS Code"
      : head.has("parentUuid") && holds("\"parts\"") && !holds("\"content\"")
          ? "a session of Qwen Code"
      : head.has("history") && head.has("workspaceDirectory") ? "a session of Continue"
      : type == "session_start"                               ? "a session of Factory's Droid"
      : type == "session" && head.has("message")              ? "a session of pi or OpenClaw"
                                                              : nullptr;
  return what ? std::optional<Foreign>({what, not_read}) : std::nullopt;
}

}  // namespace

const Format& format_of(const Options& options) {
  constexpr std::size_t enough = 1 << 20;
  FileHead head{JsonFile(options.file).head(enough), {}};
  head.keys = outer_keys(head.bytes);
  if (head.bytes.empty())
    throw Failure(Exit::nothing_found, fmt::format("[find] '{}' is empty", options.file.string()));
  const bool any = options.from == "auto";
  const std::optional<Foreign> other = any ? foreign(head) : std::nullopt;
  const Format* last = nullptr;
  for (const Format& format : formats()) {
    if (other || (!any && options.from != format.name)) continue;
    if (format.recognizes(head)) return format;
    last = &format;
  }
  if (!any && last) return *last;
  const auto [what, advice] =
      other.value_or(Foreign("something else", "say with --from what it is"));
  throw Failure(Exit::unreadable,
                fmt::format("[find] '{}' is no conversation that is known; got {}; {}",
                            options.file.string(), what, advice));
}

}  // namespace dialogue
