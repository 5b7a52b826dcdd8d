// Where assistants keep their files.
#pragma once

#include "conversation.hpp"
#include "report.hpp"

#include <string_view>
#include <vector>

namespace dialogue {

/// An environment variable, "" where it is not set.
std::string environment(const char* name);
/// The user's home; "/" where there is none, so that searching it finds nothing rather than
/// something else.
std::filesystem::path home();

/// The entries of a folder, sorted by name; none where it does not exist. One that cannot be read
/// is noted in the report, if given.
std::vector<std::filesystem::path> entries(const std::filesystem::path& folder,
                                           Report* report = nullptr);
/// Whether this is a file that can be opened without waiting: no folder, pipe or device.
bool regular(const std::filesystem::path& file);
std::optional<Millis> modified(const std::filesystem::path& file);

/// Absolute, without links, "." and a slash at the end, as far as the path exists.
std::filesystem::path resolved(const std::filesystem::path& path);

/// A path as assistants make a folder's name of it: every UTF-16 unit but letters and digits
/// becomes '-'.
std::string slug(const std::filesystem::path& path);
/// The same with one '-' for several in a row and none at the ends: equal whatever a version made
/// of the other characters.
std::string folded_slug(const std::filesystem::path& path);

}  // namespace dialogue
