#include "cursor_workspaces.hpp"

#include "json_file.hpp"
#include "places.hpp"
#include "sqlite_store.hpp"

#include <charconv>

namespace dialogue {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view pane_key = "workbench.panel.composerChatViewPane",
                           pane_view = "workbench.panel.aichat.view.";

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned char value = 0;
    const bool escape = text[i] == '%' && i + 2 < text.size() &&
                        std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16).ptr ==
                            text.data() + i + 3;
    out += escape ? static_cast<char>(value) : text[i];
    if (escape) i += 2;
  }
  return out;
}

/// The folder of a workspace; for one of several folders, that of its .code-workspace file.
fs::path folder_of(const fs::path& storage, Report& report) try {
  const fs::path file = storage / "workspace.json";
  if (!regular(file)) return {};
  const Json json = json_or_null(JsonFile(file).head(1 << 16));
  const std::string folder = text_member(json, "folder"),
                    workspace = text_member(json, "workspace");
  return folder.empty() ? path_of_uri(workspace).parent_path() : path_of_uri(folder);
} catch (const Failure& failure) {
  report.failed.emplace_back(failure.what());
  return {};
}

}  // namespace

std::vector<fs::path> cursor_user_folders() {
  const std::string configured = environment("XDG_CONFIG_HOME");
  const fs::path config = configured.empty() ? home() / ".config" : fs::path(configured);
  std::vector<fs::path> folders = {config / "Cursor/User",
                                   home() / "Library/Application Support/Cursor/User",
                                   home() / ".cursor-server/data/User"};
  for (const fs::path& user : entries("/mnt/c/Users")) {  // Windows, seen from its Linux
    if (fs::path folder = user / "AppData/Roaming/Cursor/User"; !entries(folder).empty())
      folders.push_back(std::move(folder));
  }
  return folders;
}

std::vector<fs::path> cursor_workspaces(const fs::path& user_folder, const Workspace& workspace,
                                        Report& report) {
  std::vector<fs::path> matching;
  for (const fs::path& storage : entries(user_folder / "workspaceStorage", &report)) {
    if (!workspace || resolved(folder_of(storage, report)) == resolved(*workspace))
      matching.push_back(storage);
  }
  return matching;
}

void add_ids(const Json& list, std::set<std::string>& ids) {
  if (!list.is_array()) return;
  for (const Json& entry : list) {
    std::string id =
        entry.is_string() ? entry.get<std::string>() : text_member(entry, "composerId");
    if (!id.empty()) ids.insert(std::move(id));
  }
}

std::set<std::string> composers_of_workspace(SqliteStore& database, Report& report) {
  std::set<std::string> ids;
  if (!database.has_table("ItemTable")) return ids;
  const Json data =
      json_or_null(database.value("ItemTable", "composer.composerData").value_or(""), report);
  for (const Json* list :
       {&data, &member(data, "allComposers"), &member(data, "selectedComposerIds")})
    add_ids(*list, ids);
  database.each("ItemTable", std::string(pane_key),
                [&](std::string_view key, std::string_view value) {
                  const std::optional<Json> panes =
                      key.ends_with(".hidden") ? std::nullopt : parse_json(value, report);
                  if (!panes || !panes->is_object()) return;
                  for (const auto& [name, unused] : panes->items()) {
                    if (name.starts_with(pane_view)) ids.insert(name.substr(pane_view.size()));
                  }
                });
  return ids;
}

std::map<std::string, Json> composer_headers(SqliteStore& database, Report& report) {
  constexpr const char* table = "composerHeaders";
  std::map<std::string, Json> headers;
  const auto add = [&](const std::string& id, const Json& header) {
    if (header.is_object()) headers.emplace(id, Json::object()).first->second.update(header);
  };
  if (database.has_table("ItemTable")) {
    const Json item =
        json_or_null(database.value("ItemTable", "composer.composerHeaders").value_or(""), report);
    const Json& all = item.is_array() ? item : member(item, "allComposers");
    for (std::size_t i = 0; all.is_array() && i < all.size(); ++i)
      add(text_member(all[i], "composerId"), all[i]);
  }
  if (!database.has_table(table)) return headers;
  database.each_row(table, [&](const std::map<std::string, std::string>& row) {
    const auto text = [&](const char* column) {
      return row.count(column) > 0 ? row.at(column) : std::string();
    };
    const std::string id = text("composerId"), workspace = text("workspaceId");
    add(id, parse_json(text("value"), report).value_or(Json::object()));
    Json& header = headers.emplace(id, Json::object()).first->second;
    if (!workspace.empty() && !header.contains("workspaceIdentifier"))
      header["workspaceIdentifier"] = {{"id", workspace}};
    if (text("isSubagent") == "1") header["isSubagent"] = true;
  });
  return headers;
}

Stamp stamp_of(const Json& composer, const fs::path& folder,
               const std::set<std::string>& workspace_ids) {
  const Json& stamp = member(composer, "workspaceIdentifier");
  if (workspace_ids.count(stamp.is_string() ? stamp.get<std::string>() : text_member(stamp, "id")) >
      0)
    return Stamp::here;
  const auto path_in = [](const Json& uri) {
    const std::string path = text_member(uri, "fsPath");
    return path.empty() ? path_of_uri(text_member(uri, "external")) : fs::path(path);
  };
  fs::path path = path_in(member(stamp, "uri"));
  if (path.empty()) path = path_in(member(stamp, "configPath")).parent_path();
  if (path.empty()) return Stamp::none;
  return resolved(path) == resolved(folder) ? Stamp::here : Stamp::elsewhere;
}

bool is_subagent(const Json& composer) {
  return member(composer, "subagentInfo").is_object() ||
         flag_member(composer, "isBestOfNSubcomposer") || flag_member(composer, "isSubagent");
}

fs::path path_of_uri(const std::string& uri) {
  const std::size_t scheme = uri.find("://");
  const std::size_t path = scheme == uri.npos ? uri.npos : uri.find('/', scheme + 3);
  return path == uri.npos ? fs::path()
                          : fs::path(percent_decoded(std::string_view(uri).substr(path)));
}

}  // namespace dialogue
