// dialogue-save: the command line and the exit status, which report.hpp names.
#include "hook.hpp"
#include "options.hpp"
#include "output_file.hpp"
#include "save.hpp"
#include "terminal.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <iostream>
#include <iterator>
#include <string_view>

namespace {

using dialogue::Exit;
using dialogue::Report;

void tell_all(const Report& report) {
  const auto note = [](std::size_t count, const char* what) {
    if (count > 0) dialogue::tell(fmt::format("{} {}", count, what));
  };
  for (const std::string& warning : report.warnings) dialogue::tell(warning);
  for (const std::string& failed : report.failed) dialogue::tell("left out: " + failed);
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
    tell_all(report);
  } catch (const dialogue::Failure& failure) {
    dialogue::tell(failure.what());
    status = failure.status();
    // assistants understand a hook's status 2 as a veto, and show every other one as an error, also
    // where nothing was said
    if (options.hook && status == Exit::usage) status = Exit::unreadable;
    if (options.hook && status == Exit::nothing_found) status = Exit::done;
  } catch (const std::exception& error) {
    dialogue::tell(error.what());
  }
  return static_cast<int>(status);
}

}  // namespace

int main(int argc, char** argv) {
  dialogue::open_standard_streams();
  CLI::App app("Writes a coding assistant's conversation to Markdown, byte for byte.",
               "dialogue-save");
  app.set_version_flag("--version", "dialogue-save " DIALOGUE_SAVE_VERSION);
  dialogue::Options options;
  dialogue::add_options(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // the options may not be filled in yet
    const bool hook = std::any_of(
        argv, argv + argc, [](const char* word) { return std::string_view(word) == "--hook"; });
    return app.exit(error) == 0 ? 0 : static_cast<int>(hook ? Exit::unreadable : Exit::usage);
  }
  // a file that grows beyond the limit is then an error of write(), and the temporary file is
  // removed
  std::signal(SIGXFSZ, SIG_IGN);
  // and so is a pipe that no one reads: what is told on standard error must not stop the saving
  std::signal(SIGPIPE, SIG_IGN);
  dialogue::OutputFile::remove_on_signals();
  return run(options);
}
