#include "candidates.hpp"

#include "file_kind.hpp"
#include "json_text.hpp"
#include "message_text.hpp"
#include "places.hpp"
#include "save_time.hpp"
#include "secrets.hpp"
#include "terminal.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

namespace dialogue {
namespace {

namespace fs = std::filesystem;

bool wanted(const Format& format, const Options& options) {
  return options.from == "auto" || options.from == format.name;
}

std::vector<Candidate> in_stores(const Workspace& workspace, const Options& options, Report& report,
                                 bool only_running = false) {
  std::vector<Candidate> found;
  for (const Format& format : formats()) {
    if (!wanted(format, options) || !format.in_stores) continue;
    if (only_running && (!format.running_id || environment(format.running_id).empty())) continue;
    try {
      for (Conversation& conversation : format.in_stores(workspace, report))
        found.push_back({std::move(conversation), &format});
    } catch (const std::exception& error) {
      report.failed.emplace_back(error.what());
    }
  }
  return found;
}

/// The next folder above in which a conversation on this one may have begun, or nothing: a
/// repository is a project of its own, and the home, what is above it and the folder for temporary
/// files hold many.
Workspace folder_above(const fs::path& folder) {
  std::error_code error;
  const fs::path above = folder.parent_path(), own = resolved(home());
  const bool inside_home = own.string().starts_with(above.string() + '/');
  if (fs::exists(folder / ".git", error) || above == folder || above == above.root_path() ||
      above == own || inside_home || above == resolved(fs::temp_directory_path(error))) {
    return std::nullopt;
  }
  return above;
}

bool is_running(const Candidate& candidate) {
  const char* variable = candidate.format->running_id;
  return variable && candidate.conversation.id == environment(variable);
}

bool holds_question(const Candidate& candidate, const ReadOptions& options) {
  try {
    return first_question(candidate, options).has_value();
  } catch (const Failure&) {
    return false;  // it is told of if the conversation is chosen
  }
}

std::vector<Candidate> of_this_place(const Options& options, Report& report) {
  if (options.workspace || !options.session.empty())
    return in_stores(options.workspace, options, report);
  const auto holds = [&](const Candidate& candidate) {
    return holds_question(candidate, options.read);
  };
  std::vector<Candidate> found;
  for (Workspace folder = resolved(fs::current_path()); folder; folder = folder_above(*folder)) {
    std::vector<Candidate> here = in_stores(folder, options, report);
    const bool enough = std::any_of(here.begin(), here.end(), holds);
    if (enough || found.empty()) found = std::move(here);
    if (enough) break;
  }
  // an assistant that runs this program says in which conversation, wherever that began
  if (options.list || std::any_of(found.begin(), found.end(), is_running)) return found;
  for (Candidate& candidate : in_stores(std::nullopt, options, report, true)) {
    if (is_running(candidate)) found.push_back(std::move(candidate));
  }
  return found;
}

std::string line_of(const Candidate& candidate, const std::string& title) {
  const Conversation& it = candidate.conversation;
  return fmt::format("{:19}  {:8}  {}  {}\n", it.updated ? time_text(*it.updated, false) : "-",
                     it.format, printable(it.id), title);
}

[[noreturn]] void nothing_found(const Options& options, const Report& report) {
  std::string what = options.file.empty()
                         ? "no conversation"
                         : fmt::format("no question in '{}'", options.file.string());
  if (!options.session.empty())
    what += fmt::format(" with an id that begins with '{}'", options.session);
  if (options.file.empty() && options.session.empty()) {
    what += options.workspace
                ? fmt::format(" of '{}'", options.workspace->string())
                : fmt::format(" of '{}' or a folder above it", fs::current_path().string());
  }
  if (!report.searched.empty())
    what += fmt::format("; searched\n  {}", fmt::join(report.searched, "\n  "));
  if (!report.failed.empty())
    what += fmt::format("\nnot readable\n  {}", fmt::join(report.failed, "\n  "));
  if (report.damaged > 0)
    what += fmt::format("\n{} damaged records were skipped; is the file complete?", report.damaged);
  const bool unread = !report.failed.empty() || report.damaged > 0;
  throw Failure(unread ? Exit::unreadable : Exit::nothing_found,
                fmt::format("[find] {}\nName a FILE, or another folder with --workspace", what));
}

[[noreturn]] void ambiguous(const std::vector<Candidate>& matching, const std::string& session) {
  std::string list;
  for (const Candidate& candidate : matching)
    list += "\n  " + line_of(candidate, candidate.conversation.title);
  throw Failure(Exit::usage, fmt::format("[find] --session must name one conversation; '{}' begins "
                                         "the ids of {}; give more of one:{}",
                                         session, matching.size(), list));
}

std::vector<Candidate> matching(const std::vector<Candidate>& candidates,
                                const std::string& session) {
  std::vector<Candidate> found;
  for (const Candidate& candidate : candidates) {
    if (candidate.conversation.id == session) return {candidate};
    if (candidate.conversation.id.starts_with(session) && !candidate.conversation.subagent)
      found.push_back(candidate);
  }
  return found;
}

/// One line, of some length.
std::string shortened(std::string text) {
  constexpr std::size_t longest = 72;
  text.erase(0, std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  text.resize(std::min(text.find_first_of("\r\n"), text.size()));
  text = printable(text);
  if (text.size() <= longest) return text;
  std::size_t end = longest;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "...";
}

/// Cursor keeps a transcript beside what is in its database, which came first; but there it may be
/// empty. Of an id, the first copy that holds a question stays, or the last. That a sub-agent held
/// it, only the database says.
void drop_copies(std::vector<Candidate>& found, const ReadOptions& options) {
  const auto name = [](const Candidate& candidate) {
    return candidate.conversation.format + ' ' + candidate.conversation.id;
  };
  std::map<std::string, std::size_t> left;
  std::set<std::string> kept, subagents;
  for (const Candidate& candidate : found) {
    ++left[name(candidate)];
    if (candidate.conversation.subagent) subagents.insert(name(candidate));
  }
  std::erase_if(found, [&](Candidate& candidate) {
    const bool last = --left[name(candidate)] == 0;
    if (kept.count(name(candidate)) > 0 || (!last && !holds_question(candidate, options)))
      return true;
    candidate.conversation.subagent = subagents.count(name(candidate)) > 0;
    kept.insert(name(candidate));
    return false;
  });
}

/// `/exit` and its like, but no path.
bool is_command(std::string_view text) {
  return text.starts_with('/') &&
         text.substr(0, text.find_first_of(" \t\r\n")).find('/', 1) == text.npos;
}

/// Whether nothing was said but commands to the assistant's program, such as /exit and /clear.
bool holds_only_commands(const Candidate& candidate, const ReadOptions& options) {
  bool commands = false;
  Report unused;
  candidate.format->read(candidate.conversation, options, unused, [&](Message&& message) {
    commands = message.role == Role::user && is_command(trimmed(message.text));
    return commands;
  });
  return commands;
}

/// The newest in which something was asked; if that was only commands, one before it in which more
/// was said.
std::optional<Candidate> newest(const std::vector<Candidate>& candidates,
                                const ReadOptions& options, Report& report) {
  std::optional<Candidate> second_best;
  for (const Candidate& candidate : candidates) {
    if (candidate.conversation.subagent) continue;
    try {
      const std::optional<std::string> question = first_question(candidate, options);
      if (!question) continue;
      if (!is_command(trimmed(*question)) || !holds_only_commands(candidate, options))
        return candidate;
      if (!second_best) second_best = candidate;
    } catch (const Failure& failure) {
      report.failed.emplace_back(failure.what());
    }
  }
  return second_best;
}

/// Once each: several folders are looked for in the same stores.
void drop_repeated(std::vector<std::string>& texts) {
  std::set<std::string> seen;
  std::erase_if(texts, [&](const std::string& text) { return !seen.insert(text).second; });
}

Candidate meant(const std::vector<Candidate>& candidates, const Options& options, Report& report) {
  if (!options.session.empty()) {
    const std::vector<Candidate> found = matching(candidates, options.session);
    if (found.size() > 1) ambiguous(found, options.session);
    if (found.empty()) nothing_found(options, report);
    return found.front();
  }
  const auto running = std::find_if(candidates.begin(), candidates.end(), is_running);
  if (options.file.empty() && running != candidates.end()) return *running;
  if (candidates.size() == 1 && !candidates.front().conversation.subagent)
    return candidates.front();
  if (const std::optional<Candidate> found = newest(candidates, options.read, report))
    return *found;
  nothing_found(options, report);
}

}  // namespace

std::vector<Candidate> find_candidates(const Options& options, Report& report) {
  std::vector<Candidate> found;
  if (options.file.empty()) {
    found = of_this_place(options, report);
  } else {
    const Format& format = format_of(options);
    for (Conversation& conversation : format.in_file(options.file, report))
      found.push_back({std::move(conversation), &format});
  }
  drop_repeated(report.searched);
  drop_repeated(report.failed);
  if (options.file.empty()) drop_copies(found, options.read);
  for (Candidate& candidate : found) {
    std::string& title = candidate.conversation.title;
    title = printable(options.redact ? redacted(title) : title);
  }
  // where there is no time, what was written last is taken for the newest
  std::reverse(found.begin(), found.end());
  std::stable_sort(found.begin(), found.end(), [](const Candidate& a, const Candidate& b) {
    return a.conversation.updated.value_or(0) > b.conversation.updated.value_or(0);
  });
  return found;
}

std::optional<std::string> first_question(const Candidate& candidate, const ReadOptions& options) {
  std::optional<std::string> question;
  Report unused;
  ReadOptions first = options;
  first.first_only = true;
  candidate.format->read(candidate.conversation, first, unused, [&](Message&& message) {
    if (message.role == Role::user) question = std::move(message.text);
    return !question;
  });
  return question;
}

Candidate choose(const std::vector<Candidate>& candidates, const Options& options, Report& report) {
  Candidate found = meant(candidates, options, report);
  // a hook runs at the end of every session, also of one that was only left again
  if (options.hook && holds_only_commands(found, options.read)) nothing_found(options, report);
  return found;
}

std::string list_text(const std::vector<Candidate>& candidates, const Options& options,
                      Report& report) {
  std::string text;
  Json json = Json::array();
  for (const Candidate& candidate : candidates) {
    const Conversation& it = candidate.conversation;
    if (!it.id.starts_with(options.session) || it.subagent) continue;
    try {
      const std::optional<std::string> question = first_question(candidate, options.read);
      if (!question) continue;
      std::string title =
          it.title.empty() && candidate.format->title ? candidate.format->title(it) : it.title;
      if (title.empty()) title = *question;
      if (options.redact) title = redacted(title);
      text += line_of(candidate, shortened(title));
      json.push_back({{"format", it.format},
                      {"id", it.id},
                      {"title", shortened(title)},
                      {"file", it.file.string()}});
      if (it.updated) json.back()["updated"] = time_text(*it.updated, true);
    } catch (const Failure& failure) {
      report.failed.emplace_back(failure.what());
    }
  }
  if (text.empty()) nothing_found(options, report);
  return options.json ? json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n" : text;
}

}  // namespace dialogue
