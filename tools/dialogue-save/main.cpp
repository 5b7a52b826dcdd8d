// dialogue-save: the command line and the exit status, which report.hpp names.
#include "hook.hpp"
#include "options.hpp"
#include "save.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <iostream>
#include <iterator>

namespace {

using dialogue::Exit;
using dialogue::Report;

void tell(const Report& report) {
  const auto note = [](std::size_t count, const char* what) {
    if (count > 0) fmt::print(stderr, "dialogue-save: {} {}\n", count, what);
  };
  for (const std::string& warning : report.warnings) fmt::print(stderr, "dialogue-save: {}\n", warning);
  for (const std::string& failed : report.failed) fmt::print(stderr, "dialogue-save: left out: {}\n", failed);
  note(report.damaged, "damaged records skipped");
  note(report.unknown, "records of an unknown type skipped");
  note(report.replaced, "invalid characters replaced by U+FFFD");
  note(report.repaired, "characters repaired that were stored as two surrogates");
}

int run(dialogue::Options& options) {
  Report report;
  Exit status = Exit::unreadable;
  try {
    if (options.hook) dialogue::apply_hook({std::istreambuf_iterator<char>(std::cin), {}}, options);
    dialogue::save(options, report);
    status = Exit::done;
    tell(report);
  } catch (const dialogue::Failure& failure) {
    fmt::print(stderr, "dialogue-save: {}\n", failure.what());
    // assistants understand a hook's status 2 as a veto
    status = options.hook && failure.status() == Exit::usage ? Exit::unreadable : failure.status();
  } catch (const std::exception& error) {
    fmt::print(stderr, "dialogue-save: {}\n", error.what());
  }
  return static_cast<int>(status);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Writes a coding assistant's conversation to Markdown, byte for byte.", "dialogue-save");
  app.set_version_flag("--version", "dialogue-save " DIALOGUE_SAVE_VERSION);
  dialogue::Options options;
  dialogue::add_options(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(Exit::usage);
  }
  // a file that grows beyond the limit is then an error of write(), and the temporary file is removed
  std::signal(SIGXFSZ, SIG_IGN);
  return run(options);
}
