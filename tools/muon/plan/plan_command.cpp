#include "plan/plan_command.hpp"

#include "cli/assign_rules.hpp"
#include "cli/checks.hpp"
#include "cli/usage_error.hpp"
#include "plan/python_groups.hpp"

#include <muon/muon.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <torch/optim/adamw.h>

#include <algorithm>
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
  fmt::print("left out: {} buffer{} and tensors of no floating type ({}{})\n", file.skipped.size(),
             file.skipped.size() == 1 ? "" : "s", fmt::join(names, ", "), file.skipped.size() > most ? ", ..." : "");
}

}  // namespace

void add_plan_options(CLI::App& command, PlanOptions& o) {
  command.footer(
      "FILE is a .safetensors file, the index of a sharded one (model.safetensors.index.json), a state_dict by\n"
      "Python's torch.save (.pt, .pth, .bin), a TorchScript module, or a folder with one of them. Only names and\n"
      "shapes are read, so size does not matter, and nothing in the file is executed; but a TorchScript module is\n"
      "loaded as a whole by LibTorch, as torch::jit::load does it.\n"
      "A question mark in the last column marks low confidence: please review that row.\n\n"
      "Examples:\n"
      "  muon plan model.safetensors\n"
      "  muon plan checkpoint.pt --key model --assign '*.router.weight=adamw'\n"
      "  muon plan ~/models/llama --python >param_groups.py");
  command.add_option("FILE", o.file, "The checkpoint")->required();
  command.add_option("--key", o.key, "Which dict of a torch.save file: model, or trainer.model");
  command
      .add_option("--assign", o.assign, "GLOB=muon|adamw|freeze for parameters by name, before the built-in rules; repeatable")
      ->allow_extra_args(false)
      ->type_name("GLOB=WHAT");
  command.add_option("--lr", o.lr, "Learning rate of Muon")->check(check_at_least_zero)->capture_default_str();
  command.add_option("--adamw-lr", o.adamw_lr, "Learning rate of AdamW")->check(check_at_least_zero)->capture_default_str();
  command.add_option("--weight-decay", o.weight_decay, "Of both, decoupled")->check(check_at_least_zero)->capture_default_str();
  command.add_option("--adjust-lr", o.adjust_lr, "How Muon's lr is scaled to a matrix of rows x cols")
      ->check(CLI::IsMember({"original", "match_rms_adamw", "spectral_unclamped"}))
      ->capture_default_str();
  CLI::Option* const json = command.add_flag("--json", o.json, "One JSON object with every option, for programs");
  command.add_flag("--python", o.python, "Parameter groups for torch.optim.Muon and torch.optim.AdamW, to paste")->excludes(json);
}

void plan(const PlanOptions& o) {
  const muon::ModelFile file = muon::describe_file(o.file, o.key);
  if (file.parameters.empty()) throw std::runtime_error(fmt::format("{} holds no parameter that an optimizer trains", o.file));
  const auto muon = muon::keller_jordan_muon(o.lr).weight_decay(o.weight_decay).adjust_lr_fn(parse_adjust_lr(o.adjust_lr));
  const auto adamw = muon::keller_jordan_adam(o.adamw_lr).weight_decay(o.weight_decay);
  std::optional<muon::Plan> made;
  try {
    made.emplace(file.parameters, rules_for(o.assign, muon, adamw));
  } catch (const std::invalid_argument& error) {  // the built-in rules fit every file, so it is an --assign
    throw UsageError(error.what());
  }
  if (o.python) {
    fmt::print("{}", python_groups(*made, o.file));
  } else if (o.json) {
    Json json = Json::parse(made->json());
    json["file"] = o.file;
    json["file_format"] = file.format;
    json["skipped"] = Json::array();
    for (const muon::TensorInfo& info : file.skipped)
      json["skipped"].push_back(Json{{"name", info.name}, {"dtype", info.dtype}, {"shape", info.shape}});
    fmt::print("{}\n", json.dump(2, ' ', false, Json::error_handler_t::replace));
  } else {
    fmt::print("{}  ({})\n\n{}", o.file, file.format, made->table());
    print_skipped(file);
  }
}

}  // namespace cli
