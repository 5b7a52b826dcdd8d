// The options that say who optimizes what, of muon train and muon plan.
#pragma once

#include <muon/muon.hpp>

#include <torch/optim/adamw.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace cli {

/// The command line asks for something that cannot be: exit status 2.
struct UsageError : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

/// GLOB=muon|adamw|freeze for parameters by name, before the built-in rules; `adamw_only` gives the rest to AdamW.
/// Errors   UsageError for what is not of that form.
std::vector<muon::Rule> rules_for(const std::vector<std::string>& assign, const muon::MuonOptions& muon,
                                  const torch::optim::AdamWOptions& adamw, bool adamw_only = false);

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

muon::AdjustLr parse_adjust_lr(const std::string& name);

}  // namespace cli
