// Codex CLI: one file of JSON lines a session, a "rollout". A message is told up to three times: as
// an item for the model, as an event, and since 0.145 as a completed item; a fork holds only its
// own lines and names the rollout and the place where it began.
#include "format.hpp"
#include "json_file.hpp"
#include "json_text.hpp"
#include "message_text.hpp"
#include "places.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>

namespace dialogue {
namespace {

namespace fs = std::filesystem;

/// How a line tells a message. What the model was given holds what was not typed, too, and counts
/// only without the others.
enum class Way { event, item, response, rollback };

struct Spoken {
  Role role = Role::user;
  Way way = Way::event;
  std::string text = {};
};

struct Entry {
  Role role;
  Way way;
  std::size_t file, hash, turn;
  Span where;
};

/// What the program adds to a text of the user, or sends in the user's name.
std::string_view typed_part(std::string_view text) {
  constexpr std::string_view notices[] = {
      // what the model is to know
      "environment_context", "user_instructions", "INSTRUCTIONS", "skill", "permissions",
      // what happened
      "user_shell_command", "turn_aborted", "subagent_notification", "hook_prompt", "goal_context"};
  constexpr std::string_view request = "\n## My request for Codex:\n";
  const std::string_view start = without_indent(text);
  const std::size_t at = start.find(request);
  const bool editor = start.starts_with("# Context from my IDE setup:") ||
                      start.starts_with("# Files mentioned by the user:");
  if (editor && at != start.npos) return start.substr(at + request.size());
  const bool notice =
      start.starts_with("# AGENTS.md instructions for ") || starts_with_element(start, notices);
  return notice ? std::string_view() : text;
}

std::string text_of(Role role, const Json& content) {
  return content_text(content, role == Role::user ? typed_part : nullptr);
}

std::optional<Spoken> event_of(const Json& payload) {
  const std::string kind = text_member(payload, "type");
  const Json& item = member(payload, "item");
  const std::string type = kind == "item_completed" ? text_member(item, "type") : kind;
  const bool user = type == "user_message" || type == "UserMessage";
  if (!user && type != "agent_message" && type != "AgentMessage") return std::nullopt;
  Spoken spoken{user ? Role::user : Role::assistant,
                kind == "item_completed" ? Way::item : Way::event};
  spoken.text = text_of(spoken.role, member(spoken.way == Way::item ? item : payload,
                                            spoken.way == Way::item ? "content" : "message"));
  const auto pictures = [&](const char* key) {
    return member(payload, key).is_array() ? member(payload, key).size() : 0;
  };
  if (is_blank(spoken.text) && user && pictures("images") + pictures("local_images") > 0)
    spoken.text = "[image]";
  return spoken;
}

std::optional<Spoken> spoken_in(const Json& line) {
  const std::string type = text_member(line, "type");
  const Json& payload = member(line, "payload");
  if (type == "event_msg") return event_of(payload);
  if (type != "response_item" || text_member(payload, "type") != "message") return std::nullopt;
  const std::string role = text_member(payload, "role");
  if (role != "user" && role != "assistant") return std::nullopt;
  Spoken spoken{role == "user" ? Role::user : Role::assistant, Way::response};
  spoken.text = text_of(spoken.role, member(payload, "content"));
  return spoken;
}

/// Where a fork leaves the rollout that it continues.
struct End {
  std::uint64_t ordinal = UINT64_MAX, offset = UINT64_MAX;
};

std::uint64_t number_member(const Json& json, const char* key, std::uint64_t otherwise) {
  const Json& value = member(json, key);
  return value.is_number_unsigned() ? value.get<std::uint64_t>() : otherwise;
}

struct Segment {
  fs::path path;
  End end;
};

/// The messages of one file in its order, in every way they are told.
class Index {
 public:
  Index(std::size_t file, const End& end) : file_(file), end_(end) {}

  /// false: the fork's own lines take over here.
  bool add(const Json& json, const JsonFile::Value& line) {
    if (line.where.offset >= end_.offset || number_member(json, "ordinal", 0) >= end_.ordinal)
      return false;
    follow_turns(member(json, "payload"));
    const std::optional<Spoken> spoken = spoken_in(json);
    if (!spoken || is_blank(spoken->text)) return true;
    if (spoken->role == Role::user && spoken->way != Way::response && !open_) ++turn_;
    all_.push_back({spoken->role, spoken->way, file_,
                    std::hash<std::string_view>()(trimmed(spoken->text)), turn_, line.where});
    return true;
  }

  bool holds_question() const {
    return !all_.empty() && all_.back().role == Role::user && all_.back().way != Way::response;
  }

  /// Each message once.
  std::vector<Entry> finish() const {
    std::array<const Entry*, 2> last = {};
    std::vector<Entry> kept;
    const auto at = [](const Entry& entry) { return static_cast<std::size_t>(entry.role); };
    std::array<bool, 2> told = {};
    for (const Entry& entry : all_)
      told[at(entry)] |= entry.way == Way::event || entry.way == Way::item;
    for (const Entry& entry : all_) {
      if (entry.way == Way::response && told[at(entry)]) continue;
      const Entry*& before = last[at(entry)];
      const bool rollback = entry.way == Way::rollback;
      const bool again =
          !rollback && before && before->way != entry.way && before->hash == entry.hash;
      if (!rollback) before = again ? nullptr : &entry;
      if (!again) kept.push_back(entry);
    }
    return kept;
  }

 private:
  void follow_turns(const Json& payload) {
    const std::string kind = text_member(payload, "type");
    if (kind == "task_started" || kind == "turn_started") ++turn_, open_ = true;
    if (kind == "task_complete" || kind == "turn_complete" || kind == "turn_aborted") open_ = false;
    if (kind != "thread_rolled_back") return;
    all_.push_back(
        {Role::user, Way::rollback, file_, 0, number_member(payload, "num_turns", 0), {}});
  }

  std::size_t file_;
  End end_;
  std::vector<Entry> all_;
  std::size_t turn_ = 0;
  bool open_ = false;
};

/// Takes the last turns away again, or leaves all.
std::vector<Entry> without_rolled_back(const std::vector<Entry>& all, bool keep) {
  std::vector<Entry> kept;
  for (const Entry& entry : all) {
    if (entry.way != Way::rollback) {
      kept.push_back(entry);
      continue;
    }
    for (std::size_t turns = keep ? 0 : entry.turn; turns > 0 && !kept.empty(); --turns) {
      const auto question = std::find_if(kept.rbegin(), kept.rend(),
                                         [](const Entry& it) { return it.role == Role::user; });
      if (question == kept.rend()) break;
      const auto first = std::find_if(kept.begin(), kept.end(), [&](const Entry& it) {
        return it.file == question->file && it.turn == question->turn && it.role == Role::user;
      });
      kept.erase(first, kept.end());
    }
  }
  return kept;
}

fs::path codex_home() {
  const std::string configured = environment("CODEX_HOME");
  return configured.empty() ? home() / ".codex" : fs::path(configured);
}

/// All rollouts below a folder, the newest first: names begin with the time.
std::vector<fs::path> rollouts_below(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::recursive_directory_iterator i(folder, error), end; !error && i != end;
       i.increment(error)) {
    const std::string name = i->path().filename().string();
    if (name.starts_with("rollout-") && name.ends_with(".jsonl") && regular(i->path()))
      found.push_back(i->path());
  }
  std::sort(found.begin(), found.end(),
            [](const fs::path& a, const fs::path& b) { return a.filename() > b.filename(); });
  return found;
}

Json meta_of(const fs::path& file) {
  Json meta;
  Report unused;
  JsonFile(file).each_object(unused, unused, [&](const Json& json, const JsonFile::Value&) {
    meta = member(json, "payload");
    return false;
  });
  return meta;
}

/// The rollout of this name: beside `file`, or in the tree that holds it, or in Codex's own.
fs::path rollout_named(const std::string& id, const fs::path& file) {
  std::vector<fs::path> candidates =
      entries(file.has_parent_path() ? file.parent_path() : fs::path("."));
  std::vector<fs::path> homes = {codex_home()};
  for (fs::path folder = resolved(file); folder.has_relative_path();
       folder = folder.parent_path()) {
    if (folder.filename() == "sessions") homes.push_back(folder.parent_path());
  }
  for (const fs::path& one : homes) {
    for (const char* tree : {"sessions", "archived_sessions"}) {
      for (fs::path& rollout : rollouts_below(one / tree)) candidates.push_back(std::move(rollout));
    }
  }
  const auto found = std::find_if(candidates.begin(), candidates.end(), [&](const fs::path& path) {
    return path.extension() == ".jsonl" && path.stem().string().ends_with("-" + id);
  });
  return found == candidates.end() ? fs::path() : *found;
}

/// The file and those that it continues, the first one first.
std::vector<Segment> lineage(const fs::path& file, Report& report) {
  constexpr std::size_t most = 100;
  std::vector<Segment> segments = {{file, {}}};
  while (segments.size() < most) {
    const Json meta = meta_of(segments.back().path);
    const Json& base = member(meta, "history_base");
    const std::string id = text_member(base, "thread_id");
    if (id.empty()) break;
    const fs::path found = rollout_named(id, file);
    const bool circle = std::any_of(segments.begin(), segments.end(),
                                    [&](const Segment& it) { return it.path == found; });
    if (found.empty() || circle) {
      report.warnings.push_back(
          fmt::format("the beginning is missing: it is in the rollout {}, which is not there", id));
      break;
    }
    segments.push_back({found,
                        {number_member(base, "end_ordinal_exclusive", UINT64_MAX),
                         number_member(base, "end_byte_offset", UINT64_MAX)}});
  }
  std::reverse(segments.begin(), segments.end());
  return segments;
}

void read(const Conversation& conversation, const ReadOptions& options, Report& report,
          const Sink& sink) {
  std::vector<std::unique_ptr<JsonFile>> files;
  std::vector<Entry> all;
  Report unused;  // repairs count where a text is used
  for (const Segment& segment : lineage(conversation.file, report)) {
    files.push_back(std::make_unique<JsonFile>(segment.path));
    Index index(files.size() - 1, segment.end);
    files.back()->each_object(report, unused, [&](const Json& json, const JsonFile::Value& line) {
      return index.add(json, line) && !(options.first_only && index.holds_question());
    });
    const std::vector<Entry> own = index.finish();
    all.insert(all.end(), own.begin(), own.end());
  }
  for (const Entry& entry : without_rolled_back(all, options.all_branches || options.first_only)) {
    const Json line = json_or_null(files[entry.file]->text_at(entry.where), report);
    std::optional<Spoken> spoken = spoken_in(line);
    if (!spoken) continue;
    Message message{spoken->role, std::move(spoken->text), time_of(member(line, "timestamp")),
                    text_member(member(member(line, "payload"), "item"), "id")};
    if (!sink(std::move(message))) return;
  }
}

Conversation conversation_of(const fs::path& file, const Json& meta) {
  std::string id = text_member(meta, "id");
  if (id.empty()) id = file.stem().string();
  Conversation conversation{"codex", file, std::move(id), {}, modified(file)};
  conversation.subagent =
      member(meta, "source").is_object() || text_member(meta, "thread_source") == "subagent";
  return conversation;
}

std::vector<Conversation> in_file(const fs::path& file, Report&) {
  return {conversation_of(file, meta_of(file))};
}

std::vector<Conversation> in_stores(const Workspace& workspace, Report& report) {
  std::vector<Conversation> found;
  for (const char* folder : {"sessions", "archived_sessions"}) {
    report.searched.push_back((codex_home() / folder).string());
    for (const fs::path& file : rollouts_below(codex_home() / folder)) {
      try {
        const Json meta = meta_of(file);
        const std::string cwd = text_member(meta, "cwd");
        if (workspace && (cwd.empty() || resolved(cwd) != resolved(*workspace))) continue;
        found.push_back(conversation_of(file, meta));
      } catch (const Failure& failure) {
        report.failed.emplace_back(failure.what());
      }
    }
  }
  return found;
}

bool recognizes(const FileHead& head) { return head.has("payload") && head.has("type"); }

}  // namespace

Format codex_format() {
  return {"codex", recognizes, in_file, in_stores, read, nullptr, "CODEX_THREAD_ID"};
}

}  // namespace dialogue
