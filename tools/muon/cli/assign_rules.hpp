// --assign: who optimizes which parameters, by name.
#pragma once

#include <muon/plan/plan.hpp>

#include <string>
#include <vector>

namespace cli {

/// Rules from GLOB=muon|adamw|freeze, which match parameters by name, followed by the built-in
/// rules; with `adamw_only`, AdamW gets all remaining parameters.
/// Errors   UsageError for text of any other form.
std::vector<muon::Rule> rules_for(const std::vector<std::string>& assign,
                                  const muon::MuonOptions& muon,
                                  const torch::optim::AdamWOptions& adamw, bool adamw_only = false);

}  // namespace cli
