#include "plan/plan_command.hpp"

#include "cli/assign_rules.hpp"
#include "cli/checks.hpp"
#include "cli/choice_option.hpp"
#include "cli/json_text.hpp"
#include "cli/print.hpp"
#include "cli/usage_error.hpp"
#include "plan/python_groups.hpp"

#include <muon/muon.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <torch/optim/adamw.h>

#include <cstddef>
#include <optional>
#include <stdexcept>

namespace cli {
namespace {

using Json = nlohmann::ordered_json;

void print_skipped(const muon::ModelFile& file) {
  if (file.skipped.empty()) return;
  constexpr std::size_t most = 6;
  std::vector<std::string> names;
  for (const muon::TensorInfo& info : file.skipped) {
    if (names.size() < most) names.push_back(info.name);
  }
  print("left out: {} buffer{} and tensors of no floating type ({}{})\n", file.skipped.size(),
        file.skipped.size() == 1 ? "" : "s", fmt::format("{}", fmt::join(names, ", ")),
        file.skipped.size() > most ? ", ..." : "");
}

/// Defaults are those of the reference implementations, since the plan may be for Python.
muon::MuonOptions muon_options(const PlanOptions& o) {
  muon::MuonOptions muon = muon::keller_jordan_muon();
  return muon.lr(o.lr.value_or(muon.lr()))
      .weight_decay(o.weight_decay.value_or(muon.weight_decay()))
      .adjust_lr_fn(o.adjust_lr);
}

torch::optim::AdamWOptions adamw_options(const PlanOptions& o) {
  torch::optim::AdamWOptions adamw = muon::keller_jordan_adam();
  return adamw.lr(o.adamw_lr.value_or(adamw.lr()))
      .weight_decay(o.weight_decay.value_or(adamw.weight_decay()));
}

void add_optimizer_options(CLI::App& command, PlanOptions& o) {
  const muon::MuonOptions muon = muon_options(o);
  const torch::optim::AdamWOptions adamw = adamw_options(o);
  command.add_option("--lr", o.lr, fmt::format("Learning rate of Muon [{}]", muon.lr()))
      ->check(check_at_least_zero);
  command
      .add_option("--adamw-lr", o.adamw_lr, fmt::format("Learning rate of AdamW [{}]", adamw.lr()))
      ->check(check_at_least_zero);
  command
      .add_option("--weight-decay", o.weight_decay,
                  fmt::format("Weight decay of both, decoupled [Muon {}, AdamW {}]",
                              muon.weight_decay(), adamw.weight_decay()))
      ->check(check_at_least_zero);
  add_choice(command, "--adjust-lr", o.adjust_lr,
             "How Muon's lr is scaled to a matrix of rows x cols");
}

}  // namespace

void add_plan_options(CLI::App& command, PlanOptions& o) {
  command.footer(
      "FILE is a .safetensors file, the index of a sharded one (model.safetensors.index.json), a "
      "state_dict of\n"
      "Python's torch.save (.pt, .pth, .bin), a TorchScript module, or a folder with one of them. "
      "Only names and\n"
      "shapes are read, so size does not matter, and nothing in the file is executed; but a "
      "TorchScript module is\n"
      "loaded as a whole by LibTorch, as torch::jit::load does it.\n"
      "A question mark in the last column marks low confidence: please review that row.\n\n"
      "Examples:\n"
      "  muon plan model.safetensors\n"
      "  muon plan checkpoint.pt --key model --assign '*.router.weight=adamw'\n"
      "  muon plan ~/models/llama --python >param_groups.py");
  command.add_option("FILE", o.file, "The checkpoint")->required();
  command.add_option("--key", o.key,
                     "The dict in a torch.save file, such as model or trainer.model");
  command
      .add_option(
          "--assign", o.assign,
          "GLOB=muon|adamw|freeze for parameters by name, before the built-in rules; repeatable")
      ->allow_extra_args(false)
      ->type_name("GLOB=WHAT");
  add_optimizer_options(command, o);
  CLI::Option* const json =
      command.add_flag("--json", o.json, "One JSON object with every option, for programs");
  command
      .add_flag("--python", o.python,
                "Parameter groups for torch.optim.Muon and torch.optim.AdamW, to paste")
      ->excludes(json);
}

void plan(const PlanOptions& o) {
  const muon::ModelFile file = muon::describe_file(o.file, o.key);
  if (file.parameters.empty())
    throw std::runtime_error(message("{} holds no parameter that an optimizer trains", o.file));
  std::optional<muon::Plan> made;
  try {
    made.emplace(file.parameters, rules_for(o.assign, muon_options(o), adamw_options(o)));
    // the built-in rules fit every file, so the error is in an --assign
  } catch (const std::invalid_argument& error) {
    throw UsageError(error.what());
  }
  if (o.python) {
    print("{}", Lines{python_groups(*made, o.file)});
  } else if (o.json) {
    Json json = Json::parse(made->json());
    json["file"] = o.file;
    json["file_format"] = file.format;
    json["skipped"] = Json::array();
    for (const muon::TensorInfo& info : file.skipped)
      json["skipped"].push_back(
          Json{{"name", info.name}, {"dtype", info.dtype}, {"shape", info.shape}});
    print_json(json);
  } else {
    print("{}  ({})\n\n{}", o.file, file.format, Lines{made->table()});
    print_skipped(file);
  }
}

}  // namespace cli
