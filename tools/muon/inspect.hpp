// muon inspect FILE: what is inside a checkpoint.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace cli {

struct InspectOptions {
  std::string file;
  bool verify = false;
  bool json = false;
};

void add_inspect_options(CLI::App& command, InspectOptions& options);
void inspect(const InspectOptions& options);

}  // namespace cli
