#include "options.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>

namespace dialogue {
namespace {

/// Refuses "", which is a variable of a script that is not set.
std::string not_empty(const std::string& text) { return text.empty() ? "is empty; name one" : ""; }

void add_choice_options(CLI::App& app, Options& options) {
  const auto file =
      app.add_option("FILE", options.file, "Read this file: a session, a database or an export")
          ->check(not_empty)
          ->type_name("");
  std::vector<std::string> names = {"auto"};
  for (const Format& format : formats()) {
    if (format.name != names.back()) names.emplace_back(format.name);
  }
  app.add_option("--from", options.from,
                 "What to read; by default whatever the file is, or every store there is")
      ->check(CLI::IsMember(names).description(""))
      ->type_name(fmt::format("{{{}}}", fmt::join(names, ",")))
      ->capture_default_str();
  app.add_option("--workspace", options.workspace,
                 "The folder whose conversations count; by default the current one")
      ->type_name("DIR")
      ->check(not_empty)
      ->excludes(file);
  app.add_option("--session", options.session, "The conversation whose id begins so, of any folder")
      ->check(not_empty)
      ->type_name("ID");
  app.add_flag("--list", options.list, "Show the conversations, newest first, and save none");
  app.add_flag("--hook", options.hook, "Read what to save from a hook's JSON on standard input")
      ->excludes(file);
}

void add_content_options(CLI::App& app, Options& options) {
  app.option_defaults()->group("What is saved");
  const std::map<std::string, bool> branches = {{"active", false}, {"all", true}};
  const std::map<std::string, Commands> commands = {
      {"stored", Commands::as_stored}, {"full", Commands::full}, {"typed", Commands::typed}};
  app.add_option(
         "--branches", options.read.all_branches,
         "active: the conversation as it stands; all: rewound, edited and regenerated turns too")
      ->transform(CLI::CheckedTransformer(branches).description(""))
      ->type_name("{active,all}")
      ->default_str("active");
  app.add_flag("--sidechains", options.read.sidechains,
               "What sub-agents were asked and answered, too");
  app.add_option("--commands", options.read.commands,
                 "Custom commands as the store has them, with their full text, or only as typed")
      ->transform(CLI::CheckedTransformer(commands).description(""))
      ->type_name("{stored,full,typed}")
      ->default_str("stored");
  app.add_flag("--exclude-self", options.rounds.exclude_self,
               "Without a last round that asks to save the conversation");
  app.add_flag("--redact", options.redact, "Keys and tokens become [REDACTED:<LABEL>]");
  app.add_flag("--strict", options.strict, "Fail, and save nothing, if anything was damaged");
}

void add_output_options(CLI::App& app, Options& options) {
  app.option_defaults()->group("How it is written");
  const auto folder =
      app.add_option("--out-dir", options.out_dir, "The folder for cc_<date>_<time>.md")
          ->check(not_empty)
          ->type_name("DIR")
          ->capture_default_str();
  app.add_option("-o,--output", options.output,
                 "This file, which must not exist; - is standard output")
      ->check(not_empty)
      ->type_name("FILE")
      ->excludes(folder);
  app.add_option("--time", options.time,
                 "The time in header and name: now, start or last (of the conversation), or "
                 "YYYY-MM-DD HH:MM:SS")
      ->type_name("TIME")
      ->capture_default_str();
  app.add_flag("--utc", options.utc, "Times in UTC instead of the local zone");
  app.add_flag("--json", options.json,
               "A file .json with the messages beside the Markdown; with --list, a list as JSON");
  app.add_flag("--raw", options.rounds.raw, "Add no line where a message would break the page");
  app.add_flag("--final-rule", options.rounds.final_rule, "A rule --- after the last round too");
}

}  // namespace

void add_options(CLI::App& app, Options& options) {
  app.get_formatter()->label("Excludes", "not with");
  add_choice_options(app, options);
  add_content_options(app, options);
  add_output_options(app, options);
  app.footer(
      "Without a FILE, the newest conversation of the current folder is saved, whether of "
      "Claude Code, Cursor or Codex.\n"
      "Standard output names the file that was written; standard error says which conversation it "
      "is.\n\n"
      "Examples\n"
      "  dialogue-save                              the conversation that was held here last\n"
      "  dialogue-save --list                       the conversations of this folder\n"
      "  dialogue-save --session 3f2a               one of them, by the beginning of its id\n"
      "  dialogue-save conversations.json -o -      the newest of ChatGPT's export, to standard "
      "output\n\n"
      "Exit status: 0 saved, 2 wrong command line, 3 no conversation, 4 something could not be "
      "read or written,\n"
      "5 something was damaged and --strict was given.");
}

}  // namespace dialogue
