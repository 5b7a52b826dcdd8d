#include "save.hpp"

#include "candidates.hpp"
#include "json_text.hpp"
#include "output_file.hpp"
#include "save_time.hpp"
#include "secrets.hpp"
#include "terminal.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace dialogue {
namespace {

namespace fs = std::filesystem;

void print(const std::string& line) {
  OutputFile out;
  out.write(line);
  out.settle();
}

/// The messages as JSON, which keeps what the Markdown leaves out: white space around them, times,
/// ids.
class JsonSidecar {
 public:
  JsonSidecar(const fs::path& folder, const Candidate& candidate, const std::string& time)
      : file(folder) {
    const Conversation& it = candidate.conversation;
    const Json head = {{"format", it.format}, {"id", it.id}, {"title", it.title}, {"saved", time}};
    std::string text = dump(head);
    text.back() = ',';
    file.write(text + "\"messages\":[");
  }
  void add(const Message& message) {
    Json json = {{"role", message.role == Role::user ? "user" : "assistant"},
                 {"text", message.text}};
    if (message.time) json["time"] = *message.time;
    if (!message.id.empty()) json["id"] = message.id;
    file.write((first_ ? "\n" : ",\n") + dump(json));
    first_ = false;
  }
  void finish() {
    file.write("\n]}\n");
    file.settle();
  }

  OutputFile file;

 private:
  static std::string dump(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  bool first_ = true;
};

/// The names a saved conversation may take, in their order.
fs::path target(const Options& options, const std::string& time, int attempt) {
  if (!options.output.empty()) return options.output;
  return options.out_dir /
         (file_stem(time) + (attempt > 1 ? fmt::format("_{}", attempt) : "") + ".md");
}

fs::path folder_of(const Options& options) {
  if (options.output.empty()) return options.out_dir;
  const fs::path file = options.output;
  return file.has_parent_path() ? file.parent_path() : fs::path(".");
}

/// Gives the files the first names that are both free.
fs::path publish(OutputFile& markdown, JsonSidecar* sidecar, const Options& options,
                 const std::string& time) {
  constexpr int most = 10'000;
  for (int attempt = 1; attempt < most; ++attempt) {
    const fs::path name = target(options, time, attempt);
    const fs::path json = fs::path(name).replace_extension(".json");
    const bool taken =
        fs::exists(fs::symlink_status(name)) || (sidecar && fs::exists(fs::symlink_status(json)));
    // a name that is free here may be taken the next moment, so publish() looks again
    if (!taken && markdown.publish(name)) {
      if (sidecar && !sidecar->file.publish(json)) break;
      return name;
    }
    if (!options.output.empty()) break;
  }
  throw Failure(Exit::unreadable,
                fmt::format("[write] '{}'{} exists and is never overwritten; name another file",
                            target(options, time, 1).string(), sidecar ? " or its .json" : ""));
}

void fail_if_damaged(const Report& report) {
  const std::size_t characters = report.replaced + report.repaired;
  if (report.damaged + characters == 0) return;
  throw Failure(Exit::damaged, fmt::format("[read] --strict saves nothing that is damaged; got {} "
                                           "damaged records and {} damaged characters; "
                                           "leave --strict out to save what is left",
                                           report.damaged, characters));
}

void tell_choice(const Candidate& candidate, const std::vector<Candidate>& all) {
  const auto of = std::count_if(all.begin(), all.end(),
                                [](const Candidate& one) { return !one.conversation.subagent; });
  const Conversation& it = candidate.conversation;
  const std::string title = it.title.empty() ? "" : fmt::format(" '{}'", it.title);
  const std::string others = of > 1 ? fmt::format(", chosen from {}; --list shows them", of) : "";
  tell(fmt::format("{} conversation {}{} in '{}'{}", it.format, printable(it.id), title,
                   printable(it.file.string()), others));
}

/// Passes every message on to the writers; returns the number of rounds.
std::size_t write_all(const Candidate& candidate, const Options& options, RoundWriter& rounds,
                      JsonSidecar* sidecar, Report& report) {
  std::size_t secrets = 0;
  candidate.format->read(candidate.conversation, options.read, report, [&](Message&& message) {
    const std::size_t found = count_secrets(message.text);
    secrets += found;
    if (options.redact && found > 0) message.text = redacted(message.text);
    rounds.add(message);
    if (sidecar) sidecar->add(message);
    return true;
  });
  if (secrets > 0) {
    report.warnings.push_back(
        options.redact
            ? fmt::format("{} keys or tokens are redacted", secrets)
            : fmt::format("{} keys or tokens seem to be in it; --redact leaves them out", secrets));
  }
  return rounds.finish();
}

void check(const Options& options) {
  if (options.list || options.output.empty()) return;
  const bool to_output = options.output == "-";
  std::error_code error;
  if (!to_output && (options.output.back() == '/' || fs::is_directory(options.output, error))) {
    throw Failure(Exit::usage,
                  fmt::format("[write] -o names a file; got the folder {}; use --out-dir for it",
                              printable(options.output)));
  }
  const bool same = fs::path(options.output).replace_extension(".json") == options.output;
  if (!options.json || (!to_output && !same)) return;
  throw Failure(
      Exit::usage,
      fmt::format(
          "[write] --json needs a file .md beside which its .json can lie; got -o {}; name one",
          printable(options.output)));
}

}  // namespace

void save(const Options& options, Report& report) {
  check(options);
  const std::vector<Candidate> candidates = find_candidates(options, report);
  if (options.list) return print(list_text(candidates, options, report));
  const Candidate candidate = choose(candidates, options, report);
  tell_choice(candidate, candidates);
  const std::string time = save_time(options, candidate);
  const bool to_output = options.output == "-";

  std::optional<OutputFile> markdown;
  to_output ? markdown.emplace() : markdown.emplace(folder_of(options));
  std::optional<JsonSidecar> sidecar;
  if (options.json) sidecar.emplace(folder_of(options), candidate, time);
  RoundWriter rounds([&](std::string_view bytes) { markdown->write(bytes); }, time, options.rounds,
                     report);
  const std::size_t count =
      write_all(candidate, options, rounds, sidecar ? &*sidecar : nullptr, report);
  if (count == 0) {
    throw Failure(report.damaged > 0 ? Exit::unreadable : Exit::nothing_found,
                  fmt::format("[read] nothing was asked in conversation {}; nothing is saved",
                              printable(candidate.conversation.id)));
  }
  if (options.strict) fail_if_damaged(report);
  markdown->settle();
  if (sidecar) sidecar->finish();
  if (!to_output)
    print(publish(*markdown, sidecar ? &*sidecar : nullptr, options, time).string() + "\n");
}

}  // namespace dialogue
