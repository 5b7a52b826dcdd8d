// Where Cursor keeps its databases, and which conversations belong to a folder.
#pragma once

#include "format.hpp"
#include "json_text.hpp"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace dialogue {

class SqliteStore;

/// The folders that may be Cursor's "User" on this machine, whether they exist or not.
std::vector<std::filesystem::path> cursor_user_folders();

/// Folders of workspaceStorage whose workspace.json names this folder; all of them where none is
/// given. One that cannot be read is noted in the report.
std::vector<std::filesystem::path> cursor_workspaces(const std::filesystem::path& user_folder,
                                                     const Workspace& workspace, Report& report);

/// What a workspace's own database says of its conversations: the newer versions name only the open
/// ones.
std::set<std::string> composers_of_workspace(SqliteStore& database, Report& report);

/// What the shared database says of conversations beside their own rows, by id: since version 3 the
/// workspace stands there, in an item or in a table of its own.
std::map<std::string, Json> composer_headers(SqliteStore& database, Report& report);

/// Adds the ids of a list of conversations, which are texts or objects.
void add_ids(const Json& list, std::set<std::string>& ids);

enum class Stamp { none, here, elsewhere };

/// Whether a conversation or its header carries the stamp of this folder, or of a workspace with
/// one of these names.
Stamp stamp_of(const Json& composer, const std::filesystem::path& folder,
               const std::set<std::string>& workspace_ids);

/// Whether an agent of another conversation held it, or it is one of several tries at the same
/// question.
bool is_subagent(const Json& composer);

/// The path in a URI such as file:///home/me/a%20b or vscode-remote://ssh-remote%2Bhost/home/me.
std::filesystem::path path_of_uri(const std::string& uri);

}  // namespace dialogue
