// muon: the command line. Each subcommand has its own folder; this file only dispatches.
//
// Exit status: 0 for success, 1 for failure, 2 for a wrong command line, 128 + n after saving and
// stopping for signal n.
#include "cli/print.hpp"
#include "cli/usage_error.hpp"
#include "inspect/inspect.hpp"
#include "plan/plan_command.hpp"
#include "train/train.hpp"

#include <muon/version.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <torch/version.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <functional>
#include <string>
#include <string_view>

namespace {

/// What CLI11 says of a wrong command line, and where to read more. `first` is the first argument.
std::string usage_text(const CLI::Error& error, std::string_view first) {
  const bool known = first == "train" || first == "plan" || first == "inspect";
  const std::string what =
      known || first.empty() || first[0] == '-'
          ? error.what()
          : cli::message("there is no command '{}'; known: train, plan, inspect", first);
  return cli::message("muon: {}\nRun 'muon {}--help' for what it takes.\n", cli::Lines{what},
                      known ? fmt::format("{} ", first) : "");
}

/// Runs `command`, which returns an exit status, and reports its error if it fails.
int run_and_report(const std::function<int()>& command) {
  try {
    const int status = command();
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
    cli::print_error("muon: standard output could not be written\n");
  } catch (const cli::UsageError& error) {
    cli::print_error("muon: {}\n", cli::Lines{error.what()});
    return 2;
  } catch (const c10::Error& error) {
    cli::print_error("muon: LibTorch: {}\n", cli::Lines{error.what_without_backtrace()});
  } catch (const std::exception& error) {
    cli::print_error("muon: {}\n", cli::Lines{error.what()});
  }
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGXFSZ, SIG_IGN);  // too large a file is an error with its name
  CLI::App app("Trains networks with the Muon optimizer, and shows what it optimizes.", "muon");
  app.set_version_flag("--version",
                       fmt::format("muon {} (LibTorch {})", MUON_VERSION_STRING, TORCH_VERSION));
  app.require_subcommand(1);

  cli::TrainOptions train;
  CLI::App* train_command = app.add_subcommand("train", "Train a small network on images or text");
  cli::add_train_options(*train_command, train);
  cli::PlanOptions plan;
  CLI::App* plan_command =
      app.add_subcommand("plan", "Show which optimizer each parameter in a checkpoint should have");
  cli::add_plan_options(*plan_command, plan);
  cli::InspectOptions inspect;
  CLI::App* inspect_command = app.add_subcommand(
      "inspect", "Show the contents of a checkpoint, or the metrics of a tracked run");
  cli::add_inspect_options(*inspect_command, inspect);
  train.program = argv[0];
  train.arguments.assign(argv + std::min(argc, 2), argv + argc);

  app.failure_message([&](const CLI::App*, const CLI::Error& error) {
    return usage_text(error, argc > 1 ? argv[1] : "");
  });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return run_and_report([&] {
    if (train_command->parsed()) return cli::train(train);
    if (plan_command->parsed()) cli::plan(plan);
    if (inspect_command->parsed()) cli::inspect(inspect);
    return 0;
  });
}
