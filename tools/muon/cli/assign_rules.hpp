// --assign: who optimizes which parameters, by name.
#pragma once

#include <muon/plan/plan.hpp>

#include <string>
#include <vector>

namespace cli {

/// GLOB=muon|adamw|freeze for parameters by name, before the built-in rules; `adamw_only` gives the
/// rest to AdamW.
/// Errors   UsageError for what is not of that form.
std::vector<muon::Rule> rules_for(const std::vector<std::string>& assign,
                                  const muon::MuonOptions& muon,
                                  const torch::optim::AdamWOptions& adamw, bool adamw_only = false);

}  // namespace cli
