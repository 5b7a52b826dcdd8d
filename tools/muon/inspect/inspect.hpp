// muon inspect PATH...: what is inside a checkpoint, or how a tracked run went.
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

/// The two things it can be.
void inspect_checkpoint(const InspectOptions& options);
void inspect_runs(const InspectOptions& options);

}  // namespace cli
