// Cursor's agent transcripts: JSON lines with role and message, what was typed wrapped in tags.
#include "cursor_bubble.hpp"
#include "json_file.hpp"
#include "json_text.hpp"
#include "format.hpp"
#include "message_text.hpp"
#include "places.hpp"

#include <fmt/format.h>

namespace dialogue {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view wrappers[] = {
    // of the question
    "cursor_commands", "timestamp", "attached_files", "image_files", "manually_attached_skills",
    // of the session
    "system_reminder", "user_info", "git_status", "project_layout", "rules",
    "open_and_recently_viewed_files"};

/// Without the one newline that the transcript puts on each side.
std::string_view unpadded(std::string_view text) {
  if (text.starts_with('\n')) text.remove_prefix(1);
  if (text.ends_with('\n')) text.remove_suffix(1);
  return text;
}

/// What was typed; nothing if Cursor wrote it all.
std::string question(const std::string& text, Commands commands) {
  if (cursor_notice(text)) return {};
  const auto query = inside(text, "user_query");
  std::string typed(query ? unpadded(*query) : without_wrappers(text, wrappers));
  if (commands != Commands::full) return typed;
  const std::string_view before =
      query ? std::string_view(text).substr(0, text.find("<user_query>")) : std::string_view(text);
  return joined({typed, std::string(inside(before, "cursor_commands").value_or(""))});
}

/// Without the mark that stands for hidden thinking, where it is the last line.
std::string answer(std::string text) {
  constexpr std::string_view mark = "[REDACTED]";
  const std::string_view end = trimmed(text);
  const bool line = end == mark || end.ends_with("\n[REDACTED]");
  return line ? std::string(end.substr(0, end.size() - mark.size())) : std::move(text);
}

void read(const Conversation& conversation, const ReadOptions& options, Report& report,
          const Sink& sink) {
  JsonFile(conversation.file)
      .each_object(report, report, [&](const Json& json, const JsonFile::Value&) {
        const std::string role = text_member(json, "role");
        if (role != "user" && role != "assistant") {
          if (!role.empty()) ++report.unknown;
          return true;
        }
        std::string text = content_text(member(member(json, "message"), "content"));
        text = role == "user" ? question(text, options.commands) : answer(std::move(text));
        if (is_blank(text)) return true;
        return sink({role == "user" ? Role::user : Role::assistant, std::move(text)});
      });
}

std::vector<Conversation> in_file(const fs::path& file, Report&) {
  return {{"cursor", file, file.stem().string(), {}, modified(file)}};
}

/// Whether the project's folder says that it is of another path, whose name folds to the same.
bool belongs_elsewhere(const fs::path& project, const fs::path& workspace) {
  const fs::path file = project / ".workspace-trusted";
  if (!regular(file)) return false;
  const std::string path = text_member(json_or_null(JsonFile(file).head(1 << 16)), "workspacePath");
  return !path.empty() && resolved(path) != resolved(workspace);
}

std::vector<Conversation> in_stores(const Workspace& workspace, Report& report) {
  const fs::path projects = home() / ".cursor/projects";
  // which characters become a dash each, and which one together, differs between versions
  const std::string name = workspace ? folded_slug(resolved(*workspace)) : "*";
  report.searched.push_back((projects / name / "agent-transcripts").string());
  std::vector<Conversation> found;
  for (const fs::path& project : entries(projects, &report)) {
    if (workspace &&
        (folded_slug(project.filename()) != name || belongs_elsewhere(project, *workspace)))
      continue;
    for (const fs::path& entry : entries(project / "agent-transcripts", &report)) {
      const fs::path file =
          entry.extension() == ".jsonl" ? entry : entry / (entry.filename().string() + ".jsonl");
      if (regular(file)) found.push_back(in_file(file, report).front());
    }
  }
  return found;
}

bool recognizes(const FileHead& head) { return head.has("role") && head.has("message"); }

}  // namespace

Format cursor_transcript_format() { return {"cursor", recognizes, in_file, in_stores, read}; }

}  // namespace dialogue
