#include "candidates.hpp"

#include "json_file.hpp"
#include "json_text.hpp"
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

/// The keys of `text` that are at most two objects deep. It may end anywhere.
std::set<std::string, std::less<>> outer_keys(std::string_view text) {
  std::set<std::string, std::less<>> keys;
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '{') ++depth;
    if (text[i] == '}') --depth;
    if (text[i] != '"') continue;
    std::size_t end = i + 1;
    while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
    const std::size_t after = end < text.size() ? text.find_first_not_of(" \t\r\n", end + 1) : text.npos;
    if (depth <= 2 && after != text.npos && text[after] == ':') keys.emplace(text.substr(i + 1, end - i - 1));
    i = end;
  }
  return keys;
}

bool wanted(const Format& format, const Options& options) { return options.from == "auto" || options.from == format.name; }

const Format& format_of(const Options& options) {
  constexpr std::size_t enough = 1 << 20;
  FileHead head{JsonFile(options.file).head(enough), {}};
  head.keys = outer_keys(head.bytes);
  const Format* last = nullptr;
  for (const Format& format : formats()) {
    if (!wanted(format, options)) continue;
    if (format.recognizes(head)) return format;
    last = &format;
  }
  if (head.bytes.empty()) throw Failure(Exit::nothing_found, fmt::format("[find] '{}' is empty", options.file.string()));
  if (options.from != "auto") return *last;
  const bool zip = head.bytes.starts_with("PK\x03\x04");
  throw Failure(Exit::unreadable,
                fmt::format("[find] '{}' is no conversation that is known; got {}; {}", options.file.string(),
                            zip ? "a zip archive" : "something else",
                            zip ? "unpack it and name the file conversations.json in it" : "say with --from what it is"));
}

void add_stores(const Options& options, std::vector<Candidate>& found, Report& report) {
  Workspace workspace = options.workspace;
  if (!workspace && options.session.empty()) workspace = fs::current_path();
  for (const Format& format : formats()) {
    if (!wanted(format, options) || !format.in_stores) continue;
    try {
      for (Conversation& conversation : format.in_stores(workspace, report)) found.push_back({std::move(conversation), &format});
    } catch (const Failure& failure) {
      report.failed.emplace_back(failure.what());
    } catch (const fs::filesystem_error& error) {
      report.failed.push_back(fmt::format("[find] {}", error.what()));
    }
  }
}

std::string line_of(const Candidate& candidate, const std::string& title) {
  const Conversation& it = candidate.conversation;
  return fmt::format("{:19}  {:8}  {}  {}\n", it.updated ? time_text(*it.updated, false) : "-", it.format, printable(it.id),
                     title);
}

[[noreturn]] void nothing_found(const Options& options, const Report& report) {
  std::string what = options.file.empty() ? "no conversation" : fmt::format("no question in '{}'", options.file.string());
  if (!options.session.empty()) what += fmt::format(" with an id that begins with '{}'", options.session);
  if (options.file.empty() && options.session.empty()) {
    what += fmt::format(" of '{}'", options.workspace.value_or(fs::current_path()).string());
  }
  if (!report.searched.empty()) what += fmt::format("; searched\n  {}", fmt::join(report.searched, "\n  "));
  if (!report.failed.empty()) what += fmt::format("\nnot readable\n  {}", fmt::join(report.failed, "\n  "));
  if (report.damaged > 0) what += fmt::format("\n{} damaged records were skipped; is the file complete?", report.damaged);
  const bool unread = !report.failed.empty() || report.damaged > 0;
  throw Failure(unread ? Exit::unreadable : Exit::nothing_found,
                fmt::format("[find] {}\nName a FILE, or another folder with --workspace", what));
}

[[noreturn]] void ambiguous(const std::vector<Candidate>& matching, const std::string& session) {
  std::string list;
  for (const Candidate& candidate : matching) list += "\n  " + line_of(candidate, candidate.conversation.title);
  throw Failure(Exit::usage,
                fmt::format("[find] --session must name one conversation; '{}' begins the ids of {}; give more of one:{}",
                            session, matching.size(), list));
}

std::vector<Candidate> matching(const std::vector<Candidate>& candidates, const std::string& session) {
  std::vector<Candidate> found;
  for (const Candidate& candidate : candidates) {
    if (candidate.conversation.id == session) return {candidate};
    if (candidate.conversation.id.starts_with(session)) found.push_back(candidate);
  }
  return found;
}

/// One line, of some length.
std::string shortened(std::string text) {
  constexpr std::size_t longest = 72;
  text.erase(0, std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  text.resize(std::min(text.find_first_of("\r\n"), text.size()));
  make_printable(text);
  if (text.size() <= longest) return text;
  std::size_t end = longest;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "...";
}

bool holds_question(const Candidate& candidate, const ReadOptions& options) {
  try {
    return first_question(candidate, options).has_value();
  } catch (const Failure&) {
    return false;  // it is told of if the conversation is chosen
  }
}

/// Cursor keeps a transcript beside what is in its database, which came first; but there it may be empty. Of an id, the first
/// copy that holds a question stays, or the last.
void drop_copies(std::vector<Candidate>& found, const ReadOptions& options) {
  const auto name = [](const Candidate& candidate) { return candidate.conversation.format + ' ' + candidate.conversation.id; };
  std::map<std::string, std::size_t> left;
  for (const Candidate& candidate : found) ++left[name(candidate)];
  std::set<std::string> kept;
  std::erase_if(found, [&](const Candidate& candidate) {
    const bool last = --left[name(candidate)] == 0;
    if (kept.count(name(candidate)) > 0 || (!last && !holds_question(candidate, options))) return true;
    kept.insert(name(candidate));
    return false;
  });
}

}  // namespace

std::vector<Candidate> find_candidates(const Options& options, Report& report) {
  std::vector<Candidate> found;
  if (options.file.empty()) {
    add_stores(options, found, report);
  } else {
    const Format& format = format_of(options);
    for (Conversation& conversation : format.in_file(options.file, report)) found.push_back({std::move(conversation), &format});
  }
  if (options.file.empty()) drop_copies(found, options.read);
  for (Candidate& candidate : found) {
    std::string& title = candidate.conversation.title;
    if (options.redact) title = redacted(title);
    make_printable(title);
  }
  std::reverse(found.begin(), found.end());  // where there is no time, what was written last is taken for the newest
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
  if (!options.session.empty()) {
    const std::vector<Candidate> found = matching(candidates, options.session);
    if (found.size() > 1) ambiguous(found, options.session);
    if (found.empty()) nothing_found(options, report);
    return found.front();
  }
  const std::string running = options.file.empty() ? environment("CLAUDE_CODE_SESSION_ID") : "";
  for (const Candidate& candidate : candidates) {
    if (!running.empty() && candidate.conversation.id == running) return candidate;
  }
  if (candidates.size() == 1) return candidates.front();
  for (const Candidate& candidate : candidates) {
    try {
      if (first_question(candidate, options.read)) return candidate;
    } catch (const Failure& failure) {
      report.failed.emplace_back(failure.what());
    }
  }
  nothing_found(options, report);
}

std::string list_text(const std::vector<Candidate>& candidates, const Options& options, Report& report) {
  std::string text;
  Json json = Json::array();
  for (const Candidate& candidate : candidates) {
    const Conversation& it = candidate.conversation;
    if (!it.id.starts_with(options.session)) continue;
    try {
      const std::optional<std::string> question = first_question(candidate, options.read);
      if (!question) continue;
      std::string title = it.title.empty() && candidate.format->title ? candidate.format->title(it) : it.title;
      if (title.empty()) title = *question;
      if (options.redact) title = redacted(title);
      text += line_of(candidate, shortened(title));
      json.push_back({{"format", it.format}, {"id", it.id}, {"title", shortened(title)}, {"file", it.file.string()}});
      if (it.updated) json.back()["updated"] = time_text(*it.updated, true);
    } catch (const Failure& failure) {
      report.failed.emplace_back(failure.what());
    }
  }
  if (text.empty()) nothing_found(options, report);
  return options.json ? json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n" : text;
}

}  // namespace dialogue
