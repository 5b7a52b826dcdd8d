// Where Cursor keeps its databases, and which conversations belong to a folder.
#pragma once

#include "format.hpp"
#include "json_text.hpp"

#include <set>
#include <string>
#include <vector>

namespace dialogue {

class SqliteStore;

/// The folders that may be Cursor's "User" on this machine, whether they exist or not.
std::vector<std::filesystem::path> cursor_user_folders();

/// Folders of workspaceStorage whose workspace.json names this folder; all of them where none is given.
/// One that cannot be read is noted in the report.
std::vector<std::filesystem::path> cursor_workspaces(const std::filesystem::path& user_folder, const Workspace& workspace,
                                                     Report& report);

/// What a workspace's own database says of its conversations: the newer versions name only the open ones.
std::set<std::string> composers_of_workspace(SqliteStore& database, Report& report);

/// Whether a conversation carries the stamp of this folder, or of a workspace with one of these names.
bool stamped_with(const Json& composer, const std::filesystem::path& folder, const std::set<std::string>& workspace_ids);

/// The path in a URI such as file:///home/me/a%20b or vscode-remote://ssh-remote%2Bhost/home/me.
std::filesystem::path path_of_uri(const std::string& uri);

}  // namespace dialogue
