// Claude Code: one file of JSON lines a session, in a folder named after the project's path. The
// lines form a tree.
#include "claude_branch.hpp"
#include "claude_queue.hpp"
#include "claude_record.hpp"
#include "json_file.hpp"
#include "message_text.hpp"
#include "places.hpp"

#include <fmt/format.h>

#include <map>
#include <set>
#include <unordered_map>

namespace dialogue {
namespace {

namespace fs = std::filesystem;

/// A line without its text, which is read again when its turn comes: a session may be larger than
/// memory.
struct Record {
  Span where;
  ClaudeKind kind = ClaudeKind::none;
  std::string uuid, parent, logical_parent;
  TreeRecord tree = {};
};

bool typed(ClaudeKind kind) {
  return kind == ClaudeKind::question || kind == ClaudeKind::command ||
         kind == ClaudeKind::queued || kind == ClaudeKind::queue_row;
}

Record record_of(const Json& json, const Span& where) {
  const std::string type = text_member(json, "type");
  Record record{where, claude_kind(json), text_member(json, "uuid"),
                text_member(json, "parentUuid"), text_member(json, "logicalParentUuid")};
  record.tree.sidechain = flag_member(json, "isSidechain");
  record.tree.turn = type == "user" || type == "assistant";
  record.tree.prompt = typed(record.kind) && record.kind != ClaudeKind::queue_row;
  record.tree.lead = claude_lead(json, record.kind);
  record.tree.time = text_member(json, "timestamp");
  return record;
}

/// Every record with a place in the tree or a text, once: a resumed session repeats lines.
class Index {
 public:
  explicit Index(Report& report) : report_(report) {}

  /// Whether the line is a question of the conversation.
  bool add(const Json& json, const JsonFile::Value& line) {
    if (claude_unknown(json)) ++report_.unknown;
    Record record = record_of(json, line.where);
    compacted_ = compacted_ || text_member(json, "subtype") == "compact_boundary";
    if (repeated(record, line.text)) return false;
    if (record.kind == ClaudeKind::queue_row) {
      queue_.operation(json, records_.size());
    } else if (!record.tree.sidechain) {
      queue_.told(json);
      if (text_member(json, "type") == "assistant") queue_.answered(record.tree.time);
    }
    // so that two prompts without a time still differ
    if (record.tree.time.empty()) record.tree.time = record.uuid;
    records_.push_back(std::move(record));
    return records_.back().tree.prompt && !records_.back().tree.sidechain;
  }

  std::vector<Record> finish() && {
    std::vector<Record> all = std::move(records_);
    std::set<std::size_t> places;
    for (const ClaudeQueue::Text& text : queue_.untold()) {
      places.insert(text.place);
      all[text.place].where = all[text.source].where;
      all[text.place].tree.prompt = true;
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i].kind == ClaudeKind::queue_row && places.count(i) == 0)
        all[i].kind = ClaudeKind::none;
    }
    return all;
  }

 private:
  bool repeated(const Record& record, std::string_view line) {
    if (record.uuid.empty() && record.kind == ClaudeKind::none) return true;
    if (record.uuid.empty() && record.tree.time.empty()) return false;
    // a line without a name is known by its text, which holds its time
    const std::string name =
        record.uuid.empty() ? fmt::format("{}", std::hash<std::string_view>()(line)) : record.uuid;
    const auto [first, is_new] = seen_.emplace(name, records_.size());
    if (!is_new && compacted_)
      records_[first->second].tree.copied = static_cast<int>(records_.size());
    return !is_new;
  }

  Report& report_;
  ClaudeQueue queue_;
  std::vector<Record> records_;
  std::unordered_map<std::string, std::size_t> seen_;
  bool compacted_ = false;
};

std::vector<Record> index_of(JsonFile& file, bool first_only, Report& report) {
  Index index(report);
  Report unused;  // repairs count where a text is used
  file.each_object(report, unused, [&](const Json& json, const JsonFile::Value& line) {
    return !(index.add(json, line) && first_only);
  });
  return std::move(index).finish();
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
std::vector<Record> chosen(std::vector<Record> records, const ReadOptions& options,
                           bool subagent_file) {
  const std::vector<bool> is_active = active(records);
  std::vector<Record> kept;
  bool begun = subagent_file;  // sidechains before the first question are warm-ups of the program
  bool after_command = false;
  for (std::size_t i = 0; i < records.size(); ++i) {
    Record& record = records[i];
    if (record.kind == ClaudeKind::none || (!is_active[i] && !options.all_branches)) continue;
    if (record.tree.sidechain && !subagent_file && !(options.sidechains && begun)) continue;
    if (record.kind == ClaudeKind::command_body &&
        !(after_command && options.commands == Commands::full))
      continue;
    after_command = record.kind == ClaudeKind::command;
    begun = begun || record.tree.prompt;
    kept.push_back(std::move(record));
  }
  return kept;
}

/// What the first record that has this member says there; "" where none does or the file cannot be
/// read.
std::string first_text(const fs::path& file, const char* key, Report& report) try {
  std::string text;
  Report unused;
  JsonFile(file).each_object(unused, unused, [&](const Json& json, const JsonFile::Value&) {
    text = text_member(json, key);
    return text.empty();
  });
  return text;
} catch (const Failure& failure) {
  report.failed.emplace_back(failure.what());
  return {};
}

bool is_subagent(const fs::path& file) { return file.filename().string().starts_with("agent-"); }

/// The files of a session's sub-agents by the time at which they begin.
std::multimap<std::string, fs::path> subagents_of(const fs::path& session, Report& report) {
  std::multimap<std::string, fs::path> found;
  const fs::path folder = session.parent_path() / session.stem() / "subagents";
  for (const fs::path& file : entries(folder, &report)) {
    if (is_subagent(file) && file.extension() == ".jsonl" && regular(file)) {
      found.emplace(first_text(file, "timestamp", report), file);
    }
  }
  return found;
}

void read(const Conversation& conversation, const ReadOptions& options, Report& report,
          const Sink& sink) {
  JsonFile file(conversation.file);
  const bool subagent_file = is_subagent(conversation.file);
  const std::vector<Record> records =
      chosen(index_of(file, options.first_only, report), options, subagent_file);
  std::multimap<std::string, fs::path> subagents;
  if (options.sidechains && !subagent_file) subagents = subagents_of(conversation.file, report);
  const auto read_subagents = [&](const std::string& before) {
    bool more = true;
    while (more && !subagents.empty() && (before.empty() || subagents.begin()->first < before)) {
      const fs::path agent = subagents.extract(subagents.begin()).mapped();
      read({"claude", agent, agent.stem().string()}, options, report,
           [&](Message&& message) { return more = sink(std::move(message)); });
    }
    return more;
  };
  for (std::size_t i = 0; i < records.size(); ++i) {
    const auto text_of = [&](const Record& record, Json& json) {
      json = json_or_null(file.text_at(record.where), report);
      return claude_text(json, record.kind);
    };
    if (i > 0 && !records[i].tree.time.empty() && !read_subagents(records[i].tree.time)) return;
    Json json;
    Message message{typed(records[i].kind) ? Role::user : Role::assistant,
                    text_of(records[i], json)};
    message.time = time_of(member(json, "timestamp"));
    message.id = records[i].uuid;
    if (i + 1 < records.size() && records[i + 1].kind == ClaudeKind::command_body) {
      message.text = joined({message.text, text_of(records[++i], json)});
    }
    if (!is_blank(message.text) && !sink(std::move(message))) return;
  }
  read_subagents("");
}

/// The name that the user or the program gave the session; the user's counts most.
std::string title_of(const Conversation& conversation) {
  std::string title;
  int best = 0;
  JsonFile(conversation.file).each_line([&](const JsonFile::Value& line) {
    if (line.text.size() > 1 << 14 ||
        line.text.find("itle\"") + 1 + line.text.find("summary\"") + 1 == 0)
      return true;
    const Json json = json_or_null(line.text);
    const std::string type = text_member(json, "type");
    const int rank = type == "custom-title" ? 3
                     : type == "ai-title"   ? 2
                     : type == "summary"    ? 1
                                            : 0;
    const char* key = rank == 3 ? "customTitle" : rank == 2 ? "aiTitle" : "summary";
    std::string name =
        text_member(json, rank > 1 && text_member(json, key).empty() ? "title" : key);
    if (rank > 0 && rank >= best && !name.empty()) title = std::move(name), best = rank;
    return true;
  });
  return title;
}

std::vector<Conversation> in_file(const fs::path& file, Report&) {
  return {{"claude", file, file.stem().string(), {}, modified(file)}};
}

/// The folders that hold a folder for each project.
std::vector<fs::path> project_folders() {
  if (const std::string configured = environment("CLAUDE_CONFIG_DIR"); !configured.empty())
    return {fs::path(configured) / "projects"};
  const std::string config = environment("XDG_CONFIG_HOME");
  return {home() / ".claude/projects",
          (config.empty() ? home() / ".config" : fs::path(config)) / "claude/projects"};
}

/// Whether a file in the folder `store` is of the workspace. Different paths make the same name,
/// and a long name is cut and ends in a hash that only the assistant can compute: then the path in
/// the file decides, if there is one.
bool belongs(const fs::path& file, const std::string& store, const fs::path& workspace) {
  Report unused;  // a file that cannot be read is told of when it is chosen
  const std::string begun_in = first_text(file, "cwd", unused);
  if (!begun_in.empty() && resolved(begun_in) == workspace) return true;
  return store == slug(workspace) && slug(begun_in) != store;
}

/// Whether a folder of this name may hold sessions of the workspace.
bool may_hold(const std::string& store, const fs::path& workspace) {
  constexpr std::size_t longest_name = 200;
  const std::string name = slug(workspace);
  if (name.size() > longest_name) return store.starts_with(name.substr(0, longest_name));
  return folded_slug(store) == folded_slug(workspace);
}

std::vector<Conversation> in_stores(const Workspace& workspace, Report& report) {
  const fs::path wanted = workspace ? resolved(*workspace) : fs::path();
  std::vector<Conversation> found;
  for (const fs::path& projects : project_folders()) {
    report.searched.push_back((workspace ? projects / slug(wanted) : projects).string() +
                              "/*.jsonl");
    for (const fs::path& folder : entries(projects, &report)) {
      const std::string store = folder.filename().string();
      if (workspace && !may_hold(store, wanted)) continue;
      for (const fs::path& file : entries(folder, &report)) {
        if (file.extension() != ".jsonl" || is_subagent(file) || !regular(file)) continue;
        if (!workspace || belongs(file, store, wanted))
          found.push_back(in_file(file, report).front());
      }
    }
  }
  return found;
}

bool recognizes(const FileHead& head) {
  return head.has("parentUuid") || head.has("leafUuid") || head.has("isSidechain") ||
         head.has("isSnapshotUpdate") || (head.has("sessionId") && head.has("type"));
}

}  // namespace

Format claude_format() {
  return {"claude", recognizes, in_file, in_stores, read, title_of, "CLAUDE_CODE_SESSION_ID"};
}

}  // namespace dialogue
