// muon plan FILE: which parameters of a checkpoint Muon should optimize, from names and shapes
// alone.
#pragma once

#include <muon/plan/options.hpp>

#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace cli {

struct PlanOptions {
  std::string file;
  std::string key;
  std::optional<double> lr, adamw_lr, weight_decay;  // unset: the defaults of the library
  muon::AdjustLr adjust_lr = muon::AdjustLr::original;
  std::vector<std::string> assign;
  bool json = false;
  bool python = false;
};

/// Declares the options of muon plan on `command`, with help and checks; parsing fills `options`.
void add_plan_options(CLI::App& command, PlanOptions& options);

/// Prints the plan of a checkpoint file.
void plan(const PlanOptions& options);

}  // namespace cli
