// The command line of dialogue-save.
#pragma once

#include "format.hpp"
#include "rounds.hpp"

#include <filesystem>
#include <string>

namespace CLI {
class App;
}

namespace dialogue {

struct Options {
  std::filesystem::path file;  // empty: look where the assistants keep their conversations
  std::string from = "auto";
  Workspace workspace;
  std::string session;  // the beginning of an id

  bool list = false;
  bool json = false;

  std::filesystem::path out_dir = "cc_dialogue";
  std::string output;  // "-" is standard output; empty: a new name in out_dir

  std::string time = "now";
  bool utc = false;
  ReadOptions read;
  RoundOptions rounds;
  bool redact = false;
  bool strict = false;
  bool hook = false;
};

/// Declares the options on `app`, with help and checks; parsing fills `options`.
void add_options(CLI::App& app, Options& options);

}  // namespace dialogue
