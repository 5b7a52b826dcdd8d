#include "hook.hpp"

#include "json_text.hpp"
#include "places.hpp"

#include <fmt/format.h>

namespace dialogue {

namespace fs = std::filesystem;

void apply_hook(const std::string& input, Options& options) {
  const Json json = json_or_null(input);
  if (!json.is_object()) {
    throw Failure(Exit::unreadable, fmt::format("[hook] --hook reads an object of JSON from "
                                                "standard input; got {} bytes of something else; "
                                                "call it from a hook, or leave --hook out",
                                                input.size()));
  }
  const Json& roots = member(json, "workspace_roots");
  std::string folder = text_member(json, "cwd");
  if (folder.empty() && roots.is_array() && !roots.empty() && roots[0].is_string())
    folder = roots[0].get<std::string>();
  if (!folder.empty() && options.out_dir.is_relative())
    options.out_dir = fs::path(folder) / options.out_dir;

  std::string transcript = text_member(json, "transcript_path");
  if (transcript.starts_with("~/")) transcript = (home() / transcript.substr(2)).string();
  if (regular(transcript)) {
    options.file = transcript;
    return;
  }
  if (!folder.empty() && !options.workspace) options.workspace = folder;
  // a session in which nothing was said has no file; the newest one of the folder is not meant
  const std::string named = fs::path(transcript).stem().string();
  if (options.session.empty()) options.session = text_member(json, "session_id");
  if (options.session.empty()) options.session = text_member(json, "conversation_id");
  if (options.session.empty()) options.session = named;
  // an id is enough, and folders may be known under other names
  if (!options.session.empty()) options.workspace.reset();
}

}  // namespace dialogue
