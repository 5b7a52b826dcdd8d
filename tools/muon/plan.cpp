// muon plan FILE: what Muon should touch in a checkpoint, from names and shapes alone.
#include "checks.hpp"
#include "plan_options.hpp"
#include "python_groups.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace cli {
namespace {

using Json = nlohmann::ordered_json;

muon::Rule assigned(const std::string& text, const muon::MuonOptions& muon, const torch::optim::AdamWOptions& adamw) {
  const auto equals = text.rfind('=');
  const std::string glob = text.substr(0, equals);
  const std::string what = equals == std::string::npos ? "" : text.substr(equals + 1);
  muon::Rule rule = muon::by_name(glob);
  if (what == "muon") return rule.use(muon);
  if (what == "adamw") return rule.use(adamw);
  if (what == "freeze") return rule.freeze();
  throw UsageError(fmt::format("--assign '{}' is not GLOB=muon, GLOB=adamw or GLOB=freeze, such as 'fc2.*=adamw'", text));
}

void print_left_out(const muon::ModelFile& file) {
  if (file.left_out.empty()) return;
  constexpr std::size_t most = 6;
  std::vector<std::string> names;
  for (const muon::TensorInfo& info : file.left_out) {
    if (names.size() < most) names.push_back(info.name);
  }
  fmt::print("left out: {} buffer{} and tensors of no floating type ({}{})\n", file.left_out.size(),
             file.left_out.size() == 1 ? "" : "s", fmt::join(names, ", "), file.left_out.size() > most ? ", ..." : "");
}

}  // namespace

muon::AdjustLr parse_adjust_lr(const std::string& name) {
  if (name == "match_rms_adamw") return muon::AdjustLr::match_rms_adamw;
  return name == "spectral_unclamped" ? muon::AdjustLr::spectral_unclamped : muon::AdjustLr::original;
}

std::vector<muon::Rule> rules_for(const std::vector<std::string>& assign, const muon::MuonOptions& muon,
                                  const torch::optim::AdamWOptions& adamw, bool adamw_only) {
  std::vector<muon::Rule> rules;
  for (const std::string& text : assign) rules.push_back(assigned(text, muon, adamw));
  if (!adamw_only) return muon::with_default_rules(std::move(rules), muon, adamw);
  rules.push_back(muon::otherwise().use(adamw));
  return rules;
}

void add_plan_options(CLI::App& command, PlanOptions& o) {
  command.footer(
      "FILE is a .safetensors file, the index of a sharded one (model.safetensors.index.json), a state_dict by\n"
      "Python's torch.save (.pt, .pth, .bin), a TorchScript module, or a folder with one of them. Only names and\n"
      "shapes are read, so size does not matter, and nothing in the file is executed; but a TorchScript module is\n"
      "loaded as a whole by LibTorch, as torch::jit::load does it.\n"
      "A question mark in the last column is a guess that deserves a look.\n\n"
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
    json["left_out"] = Json::array();
    for (const muon::TensorInfo& info : file.left_out)
      json["left_out"].push_back(Json{{"name", info.name}, {"dtype", info.dtype}, {"shape", info.shape}});
    fmt::print("{}\n", json.dump(2, ' ', false, Json::error_handler_t::replace));
  } else {
    fmt::print("{}  ({})\n\n{}", o.file, file.format, made->table());
    print_left_out(file);
  }
}

}  // namespace cli
