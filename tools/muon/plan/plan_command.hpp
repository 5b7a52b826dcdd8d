// muon plan FILE: what Muon should touch in a checkpoint, from names and shapes alone.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace cli {

struct PlanOptions {
  std::string file;
  std::string key;
  double lr = 0.02;
  double adamw_lr = 3e-4;
  double weight_decay = 0;
  std::string adjust_lr = "original";
  std::vector<std::string> assign;
  bool json = false;
  bool python = false;
};

/// Declares the options of muon plan on `command`, with help and checks; parsing fills `options`.
void add_plan_options(CLI::App& command, PlanOptions& options);

/// Prints the plan of a checkpoint file.
void plan(const PlanOptions& options);

}  // namespace cli
