// Cursor's databases: conversations ("composers") in one for all, what belongs to a folder in one
// for each; and the chat panel of versions before 0.43, which kept whole conversations in the
// folder's database.
#include "cursor_bubble.hpp"
#include "cursor_workspaces.hpp"
#include "places.hpp"
#include "sqlite_store.hpp"

#include <fmt/format.h>

#include <array>
#include <map>
#include <set>

namespace dialogue {
namespace {

namespace fs = std::filesystem;

constexpr const char* disk = "cursorDiskKV";
constexpr const char* items = "ItemTable";
constexpr std::string_view composer_prefix = "composerData:";
constexpr std::array<const char*, 2> panel_keys = {"workbench.panel.aichat.view.aichat.chatdata",
                                                   "workbench.panel.chat.view.chat.chatdata"};

Conversation conversation_of(const fs::path& file, std::string id, const Json& json,
                             const char* title, const char* updated) {
  Conversation conversation{"cursor", file, std::move(id), text_member(json, title),
                            time_of(member(json, updated))};
  if (!conversation.updated) conversation.updated = time_of(member(json, "createdAt"));
  return conversation;
}

using Wanted = std::function<bool(const std::string& id, const Json& composer, const Json& header)>;

std::vector<Conversation> composers(SqliteStore& database, const fs::path& file,
                                    const Wanted& wanted, Report& report) {
  std::vector<Conversation> found;
  if (!database.has_table(disk)) return found;
  Report unused;  // a damaged character in a conversation that is not chosen is no one's concern
  const std::map<std::string, Json> headers = composer_headers(database, unused);
  std::set<std::string> subagents;
  database.each(
      disk, std::string(composer_prefix), [&](std::string_view key, std::string_view value) {
        if (value.empty()) return;
        std::string id(key.substr(composer_prefix.size()));
        const std::optional<Json> json = parse_json(value, unused);
        if (!json) {
          ++report.damaged;
          return;
        }
        const auto known = headers.find(id);
        const Json header = known == headers.end() ? Json() : known->second;
        for (const char* list : {"subagentComposerIds", "subComposerIds"})
          add_ids(member(*json, list), subagents);
        if (is_subagent(*json) || is_subagent(header)) subagents.insert(id);
        if (wanted(id, *json, header))
          found.push_back(conversation_of(file, std::move(id), *json, "name", "lastUpdatedAt"));
      });
  for (Conversation& conversation : found)
    conversation.subagent = subagents.count(conversation.id) > 0;
  return found;
}

/// Calls visit(id, tab) for every conversation of the old chat panel.
void each_panel_tab(SqliteStore& database, Report& report,
                    const std::function<void(const std::string&, const Json&)>& visit) {
  if (!database.has_table(items)) return;
  for (const char* key : panel_keys) {
    const std::optional<std::string> value = database.value(items, key);
    if (!value) continue;
    const std::optional<Json> json = parse_json(*value, report);
    if (!json) {
      ++report.damaged;
      continue;
    }
    for (const char* list : {"tabs", "chatSessions"}) {
      const Json& tabs = member(*json, list);
      for (std::size_t i = 0; tabs.is_array() && i < tabs.size(); ++i) {
        std::string id = text_member(tabs[i], list[0] == 't' ? "tabId" : "sessionId");
        visit(id.empty() ? fmt::format("{}", i + 1) : id, tabs[i]);
      }
    }
  }
}

void add_panel(SqliteStore& database, const fs::path& file, std::vector<Conversation>& found,
               Report& report) {
  Report unused;
  each_panel_tab(database, unused, [&](const std::string& id, const Json& tab) {
    found.push_back(conversation_of(file, id, tab, "chatTitle", "lastSendTime"));
  });
  report.damaged += unused.damaged;
}

std::vector<Conversation> in_file(const fs::path& file, Report& report) {
  SqliteStore database(file);
  if (!database.has_table(disk) && !database.has_table(items)) {
    const bool of_the_cli = database.has_table("blobs") && database.has_table("meta");
    throw Failure(
        Exit::unreadable,
        fmt::format(
            "[find] '{}' is no conversation that is known; got {}; name Cursor's state.vscdb",
            file.string(),
            of_the_cli ? "a store.db of Cursor's command line" : "another database"));
  }
  std::vector<Conversation> found = composers(
      database, file, [](const std::string&, const Json&, const Json&) { return true; }, report);
  add_panel(database, file, found, report);
  return found;
}

/// Opens a database that may be there and may be damaged: the others are read all the same.
void with_store(const fs::path& file, Report& report,
                const std::function<void(SqliteStore&)>& work) {
  std::error_code error;
  const fs::file_type type = fs::status(file, error).type();
  // what cannot even be looked at is opened all the same, which says why
  if (type == fs::file_type::not_found || (!error && type != fs::file_type::regular)) return;
  try {
    SqliteStore database(file);
    work(database);
  } catch (const Failure& failure) {
    report.failed.emplace_back(failure.what());
  }
}

std::vector<Conversation> in_stores(const Workspace& workspace, Report& report) {
  std::vector<Conversation> found;
  for (const fs::path& user : cursor_user_folders()) {
    const fs::path global = user / "globalStorage/state.vscdb";
    report.searched.push_back(global.string());
    std::set<std::string> named, workspace_ids;
    for (const fs::path& storage : cursor_workspaces(user, workspace, report)) {
      workspace_ids.insert(storage.filename().string());
      const fs::path file = storage / "state.vscdb";
      with_store(file, report, [&](SqliteStore& database) {
        if (workspace) named.merge(composers_of_workspace(database, report));
        add_panel(database, file, found, report);
      });
    }
    const auto wanted = [&](const std::string& id, const Json& json, const Json& header) {
      if (!workspace) return true;
      const Stamp own = stamp_of(json, *workspace, workspace_ids),
                  outer = stamp_of(header, *workspace, workspace_ids);
      if (own == Stamp::here || outer == Stamp::here) return true;
      // a folder's list of open conversations names those of other folders too
      return named.count(id) > 0 && own == Stamp::none && outer == Stamp::none;
    };
    with_store(global, report, [&](SqliteStore& database) {
      for (Conversation& conversation : composers(database, global, wanted, report))
        found.push_back(std::move(conversation));
    });
  }
  return found;
}

/// The list of headers says which bubbles count and in which order; edits leave others behind.
/// Older conversations hold their bubbles themselves, and a stored one with the same name is newer.
void read_composer(SqliteStore& database, const Conversation& conversation, const Json& composer,
                   const ReadOptions& options, Report& report, const Sink& sink) {
  const Json& headers = member(composer, "fullConversationHeadersOnly");
  const bool by_header = headers.is_array() && !headers.empty();
  const Json& list = by_header ? headers : member(composer, "conversation");
  for (std::size_t i = 0; list.is_array() && i < list.size(); ++i) {
    const std::string id = text_member(list[i], "bubbleId");
    const auto stored = database.value(disk, fmt::format("bubbleId:{}:{}", conversation.id, id));
    Json bubble = by_header ? Json() : list[i];
    if (const auto json = stored ? parse_json(*stored, report) : std::nullopt;
        json && json->is_object()) {
      if (!bubble.is_object()) bubble = Json::object();
      bubble.update(*json);
    } else if (stored || by_header) {
      ++report.damaged;  // half-written, or named and not there
      continue;
    }
    if (bubble.is_object() && !bubble.contains("type")) bubble["type"] = member(list[i], "type");
    if (bubble.is_object() && cursor_simulated(list[i])) bubble["isSimulatedMsg"] = true;
    std::optional<Message> message = cursor_message(bubble, options.commands);
    if (message && message->id.empty()) message->id = id;
    if (message && !sink(std::move(*message))) return;
  }
}

void read(const Conversation& conversation, const ReadOptions& options, Report& report,
          const Sink& sink) {
  SqliteStore database(conversation.file);
  const auto composer = database.has_table(disk)
                            ? database.value(disk, std::string(composer_prefix) + conversation.id)
                            : std::nullopt;
  if (composer) {
    read_composer(database, conversation, json_or_null(*composer, report), options, report, sink);
    return;
  }
  bool more = true;
  each_panel_tab(database, report, [&](const std::string& id, const Json& tab) {
    const Json& bubbles = member(tab, member(tab, "bubbles").is_array() ? "bubbles" : "messages");
    for (std::size_t i = 0;
         id == conversation.id && bubbles.is_array() && more && i < bubbles.size(); ++i) {
      if (std::optional<Message> message = cursor_message(bubbles[i], options.commands))
        more = sink(std::move(*message));
    }
  });
}

bool recognizes(const FileHead& head) { return head.bytes.starts_with("SQLite format 3"); }

}  // namespace

Format cursor_format() { return {"cursor", recognizes, in_file, in_stores, read}; }

}  // namespace dialogue
