#include "inspect/inspect.hpp"

#include "cli/json_text.hpp"
#include "cli/print.hpp"
#include "cli/usage_error.hpp"

#include <muon/muon.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

fs::path file_named(const std::string& name) {
  for (const fs::path& folder : {fs::path(name), fs::path(name) / "checkpoints"}) {
    if (const auto newest = muon::latest_checkpoint(folder)) return *newest;
  }
  if (fs::is_directory(name))
    throw UsageError(
        message("{} holds no checkpoint (step-*.safetensors) and no tracked run (--track)", name));
  return name;
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

/// An option's value as JSON if it is a number, a list or a boolean, else as a string.
Json value_of(const std::string& text) {
  Json value = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  return value.is_discarded() ? Json(text) : value;
}

Json groups_json(const std::vector<muon::CheckpointSummary::Group>& groups) {
  Json json = Json::array();
  for (const auto& group : groups) {
    Json options = Json::object(), parameters = Json::array();
    for (const auto& [name, value] : group.options) options[name] = value_of(value);
    for (const auto& parameter : group.parameters) {
      Json one{{"name", parameter.name}, {"shape", parameter.shape}};
      if (!parameter.view.empty()) one["view"] = parameter.view;
      parameters.push_back(std::move(one));
    }
    json.push_back(Json{{"algorithm", std::string(to_string(group.algorithm))},
                        {"options", std::move(options)},
                        {"parameters", std::move(parameters)}});
  }
  return json;
}

Json contents(const fs::path& path, const muon::CheckpointSummary& summary,
              const muon::Safetensors& file, bool verified) {
  Json json{{"file", path.string()}, {"step", summary.step}, {"library", summary.library}};
  json["verified"] = verified;
  json["groups"] = groups_json(summary.groups);
  json["schedules"] = Json::array();
  for (const auto& schedule : summary.schedules)
    json["schedules"].push_back(
        Json{{"step", schedule.step}, {"initial_lr", schedule.initial_rates}});
  json["notes"] = summary.notes;
  json["tensors"] = Json::array();
  for (const muon::TensorInfo& info : file.tensors()) {
    json["tensors"].push_back(
        Json{{"name", info.name}, {"dtype", info.dtype}, {"shape", info.shape}});
  }
  return json;
}

void print_groups(const muon::CheckpointSummary& summary) {
  for (std::size_t g = 0; g < summary.groups.size(); ++g) {
    const auto& group = summary.groups[g];
    std::vector<std::string> options;
    for (const auto& [name, value] : group.options)
      options.push_back(message("{}={}", name, value));
    print("group {}   {}, {} parameters: {}\n", g, to_string(group.algorithm),
          group.parameters.size(), fmt::format("{}", fmt::join(options, " ")));
  }
  for (const auto& schedule : summary.schedules) {
    print("schedule  step {}, from learning rates {}\n", schedule.step,
          fmt::format("{}", fmt::join(schedule.initial_rates, ", ")));
  }
}

void print_summary(const fs::path& path, const muon::CheckpointSummary& summary,
                   const muon::Safetensors& file, bool verified) {
  print("{}\nstep      {}\nwritten   by {}\nbytes     {}\n", path, summary.step, summary.library,
        verified ? "agree with the checksum" : "not verified (--verify)");
  print_groups(summary);
  for (const auto& [key, value] : summary.notes)
    print("note      {}: {}\n", key, printable(value, 200));
  std::size_t width = 0;
  for (const muon::TensorInfo& info : file.tensors())
    width = std::max(width, printable(info.name).size());
  print("\n");
  for (const muon::TensorInfo& info : file.tensors())
    print("{:<{}}  {:<5} {}\n", info.name, width, info.dtype, shape_text(info.shape));
}

}  // namespace

void inspect_checkpoint(const InspectOptions& o) {
  const fs::path path = file_named(o.paths.front());
  const muon::CheckpointSummary summary = muon::inspect_checkpoint(path, o.verify);
  const muon::Safetensors file(path);
  if (o.json) {
    print_json(contents(path, summary, file, o.verify));
  } else {
    print_summary(path, summary, file, o.verify);
  }
}

}  // namespace cli
