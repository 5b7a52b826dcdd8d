// Claude Code: one file of JSON lines a session, in a folder named after the project's path. The lines form a tree.
#include "claude_branch.hpp"
#include "claude_record.hpp"
#include "json_file.hpp"
#include "message_text.hpp"
#include "places.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_map>

namespace dialogue {
namespace {

namespace fs = std::filesystem;

/// A line without its text, which is read again when its turn comes: a session may be larger than memory.
struct Record {
  Span where;
  ClaudeKind kind = ClaudeKind::none;
  std::string uuid, parent, logical_parent;
  std::size_t text_hash = 0;  // of what was typed during an answer
  TreeRecord tree = {};
};

bool typed(ClaudeKind kind) {
  return kind == ClaudeKind::question || kind == ClaudeKind::command || kind == ClaudeKind::queued || kind == ClaudeKind::removed;
}

Record record_of(const Json& json, const Span& where) {
  const std::string type = text_member(json, "type");
  Record record{where, claude_kind(json), text_member(json, "uuid"), text_member(json, "parentUuid"),
                text_member(json, "logicalParentUuid")};
  record.tree.sidechain = flag_member(json, "isSidechain");
  record.tree.turn = type == "user" || type == "assistant";
  record.tree.prompt = typed(record.kind);
  record.tree.time = text_member(json, "timestamp");
  if (record.tree.time.empty()) record.tree.time = record.uuid;  // so that two prompts without a time still differ
  if (record.kind == ClaudeKind::queued || record.kind == ClaudeKind::removed) {
    record.text_hash = std::hash<std::string_view>()(trimmed(claude_text(json, record.kind)));
  }
  return record;
}

/// All records with a place in the tree or a text, each uuid once: a resumed session repeats lines.
std::vector<Record> index_of(JsonFile& file, bool first_only, Report& report) {
  std::vector<Record> records;
  std::set<std::string, std::less<>> seen;
  file.each_line([&](const JsonFile::Value& line) {
    Report unused;  // repairs count where a text is used
    const std::optional<Json> json = parse_json(line.text, unused);
    if (!json || !json->is_object()) {
      if (!line.growing) ++report.damaged;
      return true;
    }
    if (!claude_type_known(*json)) ++report.unknown;
    Record record = record_of(*json, line.where);
    const bool first = record.uuid.empty() ? record.kind != ClaudeKind::none : seen.insert(record.uuid).second;
    if (first) records.push_back(std::move(record));
    return !(first && first_only && records.back().tree.prompt && !records.back().tree.sidechain);
  });
  return records;
}

std::vector<bool> active(const std::vector<Record>& records) {
  std::unordered_map<std::string_view, int> index;
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (!records[i].uuid.empty()) index.emplace(records[i].uuid, static_cast<int>(i));
  }
  const auto find = [&](const std::string& uuid) {
    const auto found = index.find(uuid);
    return found == index.end() ? -1 : found->second;
  };
  std::vector<TreeRecord> tree;
  for (const Record& record : records) {
    tree.push_back(record.tree);
    tree.back().parent = find(record.parent);
    tree.back().logical_parent = find(record.logical_parent);
  }
  return active_records(std::move(tree));
}

/// What will be part of the conversation, in the order of the file.
std::vector<Record> chosen(std::vector<Record> records, const ReadOptions& options, bool subagent_file) {
  const std::vector<bool> is_active = active(records);
  std::set<std::size_t> queued;
  for (const Record& record : records) {
    if (record.kind == ClaudeKind::queued) queued.insert(record.text_hash);
  }
  std::vector<Record> kept;
  bool begun = subagent_file;  // sidechains before the first question are warm-ups of the program
  bool after_command = false;
  for (std::size_t i = 0; i < records.size(); ++i) {
    Record& record = records[i];
    if (record.kind == ClaudeKind::none || (!is_active[i] && !options.all_branches)) continue;
    if (record.tree.sidechain && !subagent_file && !(options.sidechains && begun)) continue;
    if (record.kind == ClaudeKind::removed && queued.count(record.text_hash) > 0) continue;
    if (record.kind == ClaudeKind::command_body && !(after_command && options.commands == Commands::full)) continue;
    after_command = record.kind == ClaudeKind::command;
    begun = begun || record.tree.prompt;
    kept.push_back(std::move(record));
  }
  return kept;
}

void read(const Conversation& conversation, const ReadOptions& options, Report& report, const Sink& sink) {
  JsonFile file(conversation.file);
  const bool subagent_file = conversation.id.starts_with("agent-");
  const std::vector<Record> records = chosen(index_of(file, options.first_only, report), options, subagent_file);
  for (std::size_t i = 0; i < records.size(); ++i) {
    const auto text_of = [&](const Record& record, Json& json) {
      json = parse_json(file.text_at(record.where), report).value_or(Json());
      return claude_text(json, record.kind);
    };
    Json json;
    Message message{typed(records[i].kind) ? Role::user : Role::assistant, text_of(records[i], json)};
    message.time = time_of(member(json, "timestamp"));
    message.id = records[i].uuid;
    if (i + 1 < records.size() && records[i + 1].kind == ClaudeKind::command_body) {
      message.text = joined({message.text, text_of(records[++i], json)});
    }
    if (!is_blank(message.text) && !sink(std::move(message))) return;
  }
}

/// The name that the user or the program gave the session; the user's counts most.
std::string title_of(const Conversation& conversation) {
  std::string title;
  int best = 0;
  JsonFile(conversation.file).each_line([&](const JsonFile::Value& line) {
    if (line.text.size() > 1 << 14 || line.text.find("itle\"") + 1 + line.text.find("summary\"") + 1 == 0) return true;
    Report unused;
    const Json json = parse_json(line.text, unused).value_or(Json());
    const std::string type = text_member(json, "type");
    const int rank = type == "custom-title" ? 3 : type == "ai-title" ? 2 : type == "summary" ? 1 : 0;
    const char* key = rank == 3 ? "customTitle" : rank == 2 ? "aiTitle" : "summary";
    std::string name = text_member(json, rank > 1 && text_member(json, key).empty() ? "title" : key);
    if (rank > 0 && rank >= best && !name.empty()) title = std::move(name), best = rank;
    return true;
  });
  return title;
}

std::vector<Conversation> in_file(const fs::path& file, Report&) {
  return {{"claude", file, file.stem().string(), {}, modified(file)}};
}

/// The folder that the first record with one names.
fs::path working_folder(const fs::path& file, Report& report) try {
  std::string folder;
  JsonFile(file).each_line([&](const JsonFile::Value& line) {
    Report unused;
    folder = text_member(parse_json(line.text, unused).value_or(Json()), "cwd");
    return folder.empty();
  });
  return folder;
} catch (const Failure& failure) {
  report.failed.emplace_back(failure.what());
  return {};
}

std::vector<Conversation> in_stores(const Workspace& workspace, Report& report) {
  constexpr std::size_t longest_name = 200;  // a longer one is cut and ends in a hash that only the assistant can compute
  const std::string configured = environment("CLAUDE_CONFIG_DIR");
  const fs::path projects = (configured.empty() ? home() / ".claude" : fs::path(configured)) / "projects";
  const std::string name = workspace ? slug(resolved(*workspace)) : std::string();
  const bool cut = name.size() > longest_name;
  report.searched.push_back((workspace && !cut ? projects / name : projects).string() + "/*.jsonl");
  std::vector<Conversation> found;
  for (const fs::path& folder : entries(projects, report)) {
    const std::string folder_name = folder.filename().string();
    if (cut ? !folder_name.starts_with(name.substr(0, longest_name)) : workspace && folder_name != name) continue;
    for (const fs::path& file : entries(folder, report)) {
      if (file.extension() != ".jsonl" || file.filename().string().starts_with("agent-")) continue;
      if (!regular(file)) continue;
      if (cut && working_folder(file, report) != resolved(*workspace)) continue;
      found.push_back(in_file(file, report).front());
    }
  }
  return found;
}

bool recognizes(const FileHead& head) {
  return head.has("parentUuid") || head.has("leafUuid") || head.has("isSidechain") || (head.has("sessionId") && head.has("type"));
}

}  // namespace

Format claude_format() { return {"claude", recognizes, in_file, in_stores, read, title_of}; }

}  // namespace dialogue
