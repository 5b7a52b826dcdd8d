#include "plan/python_groups.hpp"

#include "cli/print.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <torch/optim/adamw.h>

#include <algorithm>
#include <string>
#include <vector>

namespace cli {
namespace {

/// A Python string literal: UTF-8 unchanged, with JSON's escapes, which Python understands. The
/// whole text then goes through printable(), whose escapes have the same form.
std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string boolean(bool value) { return value ? "True" : "False"; }

struct Lists {
  std::vector<const muon::Assignment*> muon, adamw, frozen, not_two_dimensional;
};

Lists sorted(const muon::Plan& plan) {
  Lists lists;
  for (const muon::Assignment& a : plan.assignments()) {
    if (a.algorithm == muon::Algorithm::frozen) {
      lists.frozen.push_back(&a);
    } else if (a.algorithm == muon::Algorithm::adamw) {
      lists.adamw.push_back(&a);
    } else {
      (a.parameter.shape.size() == 2 ? lists.muon : lists.not_two_dimensional).push_back(&a);
    }
  }
  return lists;
}

/// What torch.optim.Muon does not do, and what the plan is not sure of; each a comment of its own.
std::string remarks(const muon::Assignment& a) {
  const muon::Parameter& p = a.parameter;
  const bool whole = p.view == muon::MatrixView::matrix() || a.algorithm != muon::Algorithm::muon ||
                     p.shape.size() != 2;
  std::string text;
  if (!whole) {
    text +=
        fmt::format("  # holds {}: torch.optim.Muon takes it as one matrix", p.view.to_string());
  }
  // a reason quotes names, which may hold anything; a comment ends with its line
  if (p.low_confidence) text += fmt::format("  # ? {}", printable(p.reason));
  return text;
}

std::string names(const char* variable, const std::vector<const muon::Assignment*>& list) {
  std::string text = fmt::format("{} = [\n", variable);
  for (const muon::Assignment* a : list)
    text += fmt::format("    {},{}\n", quoted(a->parameter.name), remarks(*a));
  return text + "]\n";
}

/// Says what the question marks of the lists mean.
std::string legend(const muon::Plan& plan) {
  const auto& all = plan.assignments();
  const bool any = std::any_of(
      all.begin(), all.end(), [](const muon::Assignment& a) { return a.parameter.low_confidence; });
  return any ? "# ?  low confidence: decided by position or shape alone, or by an ambiguous name; "
               "please review\n"
             : "";
}

std::string muon_text(const Lists& lists) {
  if (lists.muon.empty()) return "";
  const auto& o = static_cast<const muon::MuonOptions&>(*lists.muon.front()->options);
  const auto& step = o.ns_coefficients().front();
  return fmt::format(
      "muon = torch.optim.Muon(\n"
      "    [(name, parameters[name]) for name in muon_names],\n"
      "    lr={}, weight_decay={}, momentum={}, nesterov={}, ns_coefficients=({}, {}, {}),\n"
      "    eps={}, ns_steps={}, adjust_lr_fn={},\n"
      ")\n",
      o.lr(), o.weight_decay(), o.momentum(), boolean(o.nesterov()), step.a, step.b, step.c,
      o.eps(), o.ns_steps(), quoted(std::string(to_string(o.adjust_lr_fn()))));
}

std::string adamw_text(const Lists& lists) {
  const bool has_others = !lists.not_two_dimensional.empty();
  if (lists.adamw.empty() && !has_others) return "";
  const torch::optim::AdamWOptions fallback = muon::keller_jordan_adam();
  const auto& o =
      lists.adamw.empty()
          ? fallback
          : static_cast<const torch::optim::AdamWOptions&>(*lists.adamw.front()->options);
  const auto [beta1, beta2] = o.betas();
  return fmt::format(
      "adamw = torch.optim.AdamW(\n"
      "    [(name, parameters[name]) for name in adamw_names{}],\n"
      "    lr={}, betas=({}, {}), eps={}, weight_decay={},\n"
      ")\n",
      has_others ? " + adamw_instead_names" : "", o.lr(), beta1, beta2, o.eps(), o.weight_decay());
}

}  // namespace

std::string python_groups(const muon::Plan& plan, const std::string& source) {
  const Lists lists = sorted(plan);
  std::string text = fmt::format(
      "# Who optimizes what in {}, by muon plan. `model` is your torch.nn.Module.\nimport "
      "torch\n\n",
      quoted(source));
  text += legend(plan);
  text += names("muon_names", lists.muon);
  text += names("adamw_names", lists.adamw);
  if (!lists.not_two_dimensional.empty()) {
    text +=
        "# Muon's too, as matrices; torch.optim.Muon takes two dimensions only, so here they are "
        "AdamW's.\n";
    text += names("adamw_instead_names", lists.not_two_dimensional);
  }
  if (!lists.frozen.empty()) text += names("frozen_names", lists.frozen);
  text += "\nparameters = dict(model.named_parameters())\n";
  if (!lists.frozen.empty())
    text += "for name in frozen_names:\n    parameters[name].requires_grad_(False)\n";
  return text + muon_text(lists) + adamw_text(lists);
}

}  // namespace cli
