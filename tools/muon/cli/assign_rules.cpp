#include "cli/assign_rules.hpp"

#include "cli/print.hpp"
#include "cli/usage_error.hpp"

#include <torch/optim/adamw.h>

#include <utility>

namespace cli {
namespace {

muon::Rule assigned(const std::string& text, const muon::MuonOptions& muon,
                    const torch::optim::AdamWOptions& adamw) {
  const auto equals = text.rfind('=');
  const std::string glob = text.substr(0, equals);
  const std::string what = equals == std::string::npos ? "" : text.substr(equals + 1);
  muon::Rule rule = muon::by_name(glob);
  if (what == "muon") return rule.use(muon);
  if (what == "adamw") return rule.use(adamw);
  if (what == "freeze") return rule.freeze();
  throw UsageError(message(
      "--assign '{}' is not GLOB=muon, GLOB=adamw or GLOB=freeze, such as 'fc2.*=adamw'", text));
}

}  // namespace

std::vector<muon::Rule> rules_for(const std::vector<std::string>& assign,
                                  const muon::MuonOptions& muon,
                                  const torch::optim::AdamWOptions& adamw, bool adamw_only) {
  std::vector<muon::Rule> rules;
  for (const std::string& text : assign) rules.push_back(assigned(text, muon, adamw));
  if (!adamw_only) return muon::with_default_rules(std::move(rules), muon, adamw);
  rules.push_back(muon::otherwise().use(adamw));
  return rules;
}

}  // namespace cli
