#include "inspect/inspect.hpp"
#include "cli/json_text.hpp"
#include "cli/print.hpp"
#include "cli/usage_error.hpp"

#include <muon/muon.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>

namespace cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

fs::path file_named(const std::string& name) {
  for (const fs::path& folder : {fs::path(name), fs::path(name) / "checkpoints"}) {
    if (const auto newest = muon::latest_checkpoint(folder)) return *newest;
  }
  if (fs::is_directory(name))
    throw UsageError(message("{} holds no checkpoint (step-*.safetensors) and no tracked run (--track)", name));
  return name;
}

std::string shape_text(const std::vector<std::int64_t>& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

Json contents(const fs::path& path, const muon::CheckpointSummary& summary, const muon::Safetensors& file, bool verified) {
  Json json{{"file", path.string()}, {"step", summary.step}, {"library", summary.library}};
  json["verified"] = verified;
  json["groups"] = summary.groups.empty() ? Json() : Json::parse(summary.groups);
  json["schedule"] = summary.schedule.empty() ? Json() : Json::parse(summary.schedule);
  json["notes"] = summary.notes;
  json["tensors"] = Json::array();
  for (const muon::TensorInfo& info : file.tensors()) {
    json["tensors"].push_back(Json{{"name", info.name}, {"dtype", info.dtype}, {"shape", info.shape}});
  }
  return json;
}

void print_groups(const Json& groups) {
  for (std::size_t g = 0; g < groups.size(); ++g) {
    std::vector<std::string> options;
    for (const auto& [key, value] : groups[g].at("options").items())
      options.push_back(message("{}={}", key, json_text(value, -1)));
    print("group {}   {}, {} parameters: {}\n", g, groups[g].at("algorithm").get<std::string>(),
          groups[g].at("parameters").size(), fmt::format("{}", fmt::join(options, " ")));
  }
}

void print_table(const Json& json) {
  print("{}\nstep      {}\nwritten   by {}\nbytes     {}\n", json["file"].get<std::string>(), json["step"].get<std::int64_t>(),
        json["library"].get<std::string>(), json["verified"].get<bool>() ? "agree with the checksum" : "not verified (--verify)");
  if (!json["groups"].is_null()) print_groups(json["groups"]);
  if (!json["schedule"].is_null()) print("schedule  {}\n", json_text(json["schedule"], -1));
  for (const auto& [key, value] : json["notes"].items()) {
    print("note      {}: {}\n", key, printable(value.get<std::string>(), 200));
  }
  std::size_t width = 0;
  for (const Json& tensor : json["tensors"]) width = std::max(width, printable(tensor["name"].get<std::string>()).size());
  print("\n");
  for (const Json& tensor : json["tensors"]) {
    print("{:<{}}  {:<5} {}\n", tensor["name"].get<std::string>(), width, tensor["dtype"].get<std::string>(),
          shape_text(tensor["shape"].get<std::vector<std::int64_t>>()));
  }
}

}  // namespace

void inspect_checkpoint(const InspectOptions& o) {
  const fs::path path = file_named(o.paths.front());
  const muon::CheckpointSummary summary = muon::inspect_checkpoint(path, o.verify);
  Json json;
  try {
    json = contents(path, summary, muon::Safetensors(path), o.verify);
  } catch (const Json::exception&) {
    throw std::runtime_error(message("{} is damaged: its metadata is not what this program writes", path));
  }
  if (o.json) {
    print("{}\n", json_text(json));
  } else {
    print_table(json);
  }
}

}  // namespace cli
