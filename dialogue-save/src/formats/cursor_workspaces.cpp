#include "cursor_workspaces.hpp"

#include "json_file.hpp"
#include "places.hpp"
#include "sqlite_store.hpp"

#include <charconv>

namespace dialogue {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view pane_key = "workbench.panel.composerChatViewPane", pane_view = "workbench.panel.aichat.view.";

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned char value = 0;
    const bool escape = text[i] == '%' && i + 2 < text.size() &&
                        std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16).ptr == text.data() + i + 3;
    out += escape ? static_cast<char>(value) : text[i];
    if (escape) i += 2;
  }
  return out;
}

/// The folder of a workspace; for one of several folders, that of its .code-workspace file.
fs::path folder_of(const fs::path& storage, Report& report) try {
  const fs::path file = storage / "workspace.json";
  if (!regular(file)) return {};
  Report unused;
  const Json json = parse_json(JsonFile(file).head(1 << 16), unused).value_or(Json());
  const std::string folder = text_member(json, "folder"), workspace = text_member(json, "workspace");
  return folder.empty() ? path_of_uri(workspace).parent_path() : path_of_uri(folder);
} catch (const Failure& failure) {
  report.failed.emplace_back(failure.what());
  return {};
}

void add_ids(const Json& list, std::set<std::string>& ids) {
  if (!list.is_array()) return;
  for (const Json& entry : list) {
    std::string id = entry.is_string() ? entry.get<std::string>() : text_member(entry, "composerId");
    if (!id.empty()) ids.insert(std::move(id));
  }
}

}  // namespace

std::vector<fs::path> cursor_user_folders() {
  const std::string configured = environment("XDG_CONFIG_HOME");
  const fs::path config = configured.empty() ? home() / ".config" : fs::path(configured);
  std::vector<fs::path> folders = {config / "Cursor/User", home() / "Library/Application Support/Cursor/User",
                                   home() / ".cursor-server/data/User"};
  for (const fs::path& user : entries("/mnt/c/Users")) {  // Windows, seen from its Linux
    if (fs::path folder = user / "AppData/Roaming/Cursor/User"; !entries(folder).empty()) folders.push_back(std::move(folder));
  }
  return folders;
}

std::vector<fs::path> cursor_workspaces(const fs::path& user_folder, const Workspace& workspace, Report& report) {
  std::vector<fs::path> matching;
  for (const fs::path& storage : entries(user_folder / "workspaceStorage", report)) {
    if (!workspace || resolved(folder_of(storage, report)) == resolved(*workspace)) matching.push_back(storage);
  }
  return matching;
}

std::set<std::string> composers_of_workspace(SqliteStore& database, Report& report) {
  std::set<std::string> ids;
  if (!database.has_table("ItemTable")) return ids;
  const Json data = parse_json(database.value("ItemTable", "composer.composerData").value_or("null"), report).value_or(Json());
  for (const Json* list : {&data, &member(data, "allComposers"), &member(data, "selectedComposerIds")}) add_ids(*list, ids);
  database.each("ItemTable", std::string(pane_key), [&](std::string_view key, std::string_view value) {
    const std::optional<Json> panes = key.ends_with(".hidden") ? std::nullopt : parse_json(value, report);
    if (!panes || !panes->is_object()) return;
    for (const auto& [name, unused] : panes->items()) {
      if (name.starts_with(pane_view)) ids.insert(name.substr(pane_view.size()));
    }
  });
  return ids;
}

bool stamped_with(const Json& composer, const fs::path& folder, const std::set<std::string>& workspace_ids) {
  const Json& stamp = member(composer, "workspaceIdentifier");
  const std::string path = text_member(member(stamp, "uri"), "fsPath");
  return workspace_ids.count(text_member(stamp, "id")) > 0 || (!path.empty() && resolved(path) == resolved(folder));
}

fs::path path_of_uri(const std::string& uri) {
  const std::size_t scheme = uri.find("://");
  const std::size_t path = scheme == uri.npos ? uri.npos : uri.find('/', scheme + 3);
  return path == uri.npos ? fs::path() : fs::path(percent_decoded(std::string_view(uri).substr(path)));
}

}  // namespace dialogue
