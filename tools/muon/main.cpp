// muon: the command line. One file a subcommand; this one only dispatches.
//
// Exit status: 0 done, 1 it failed, 2 the command line was wrong.
#include "train.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <torch/version.h>

#include <cstdio>
#include <exception>
#include <string_view>

int main(int argc, char** argv) {
  CLI::App app("Trains networks with the Muon optimizer, and says what it does.", "muon");
  app.set_version_flag("--version", fmt::format("muon {} (LibTorch {})", MUON_VERSION, TORCH_VERSION));
  app.require_subcommand(1);

  cli::TrainOptions train;
  CLI::App* train_command = app.add_subcommand("train", "Train a small network on images");
  cli::add_train_options(*train_command, train);
  app.failure_message([&](const CLI::App*, const CLI::Error& error) {
    const bool in_train = train_command->parsed() || (argc > 1 && std::string_view(argv[1]) == "train");
    const bool unknown = !in_train && argc > 1 && argv[1][0] != '-';
    return fmt::format("muon: {}\nRun 'muon {}--help' for what it takes.\n",
                       unknown ? fmt::format("there is no command '{}'; known: train", argv[1]) : error.what(),
                       in_train ? "train " : "");
  });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  try {
    if (train_command->parsed()) cli::train(train);
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return 0;
    std::fprintf(stderr, "muon: standard output could not be written\n");
  } catch (const cli::UsageError& error) {
    std::fprintf(stderr, "muon: %s\n", error.what());
    return 2;
  } catch (const c10::Error& error) {
    std::fprintf(stderr, "muon: LibTorch: %s\n", error.what_without_backtrace());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "muon: %s\n", error.what());
  }
  return 1;
}
