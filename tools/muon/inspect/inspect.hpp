// muon inspect PATH...: shows the contents of a checkpoint, or the course of a tracked run.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace cli {

struct InspectOptions {
  std::vector<std::string> paths;
  bool verify = false;
  std::vector<std::string> metrics;
  bool follow = false;
  bool json = false;
};

void add_inspect_options(CLI::App& command, InspectOptions& options);
void inspect(const InspectOptions& options);

/// For each of the two kinds.
void inspect_checkpoint(const InspectOptions& options);
void inspect_runs(const InspectOptions& options);

}  // namespace cli
