#include <muon/state/model_file.hpp>

#include <muon/state/checkpoint.hpp>

#include "plan/describe_names.hpp"
#include "state/python/python_file.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include <algorithm>
#include <map>
#include <set>
#include <stdexcept>
#include <tuple>
#include <utility>

namespace muon {
namespace {

namespace fs = std::filesystem;
using pickle::Value;

[[noreturn]] void refuse(const fs::path& file, const std::string& what) {
  throw std::runtime_error(fmt::format("[model_file] {}: {}", file.string(), what));
}

bool is_trained(const TensorInfo& info) {
  const bool floating = info.dtype.starts_with("F") || info.dtype == "BF16";
  return floating && !is_buffer_name({info.name, info.shape});
}

ModelFile from_list(std::string format, const std::vector<TensorInfo>& tensors) {
  ModelFile model{std::move(format), {}, {}};
  std::vector<NamedShape> trained;
  for (const TensorInfo& info : tensors) {
    if (is_trained(info)) {
      trained.push_back({info.name, info.shape});
    } else {
      model.skipped.push_back(info);
    }
  }
  model.parameters = describe_names(trained);
  return model;
}

// ---- safetensors ----

/// Of a checkpoint of this library, the model's part.
ModelFile from_safetensors(const Safetensors& file) {
  const auto format = file.metadata().find("format");
  if (format == file.metadata().end() || format->second != "muon.cpp checkpoint") return from_list("safetensors", file.tensors());
  std::vector<TensorInfo> tensors;
  for (TensorInfo info : file.tensors()) {
    if (!info.name.starts_with("model/")) continue;
    info.name.erase(0, 6);
    tensors.push_back(std::move(info));
  }
  return from_list("checkpoint of muon.cpp", tensors);
}

ModelFile from_index(const fs::path& file) {
  std::map<fs::path, std::set<std::string>> shards;
  try {
    const MappedFile mapped(file);
    const auto json = nlohmann::json::parse(mapped.bytes(0, mapped.size()));
    for (const auto& [name, shard] : json.at("weight_map").items()) {
      const fs::path relative = shard.get<std::string>();
      if (relative.is_absolute() || relative.has_parent_path())
        refuse(file, fmt::format("names the shard '{}', which is not beside it", relative.string()));
      shards[file.parent_path() / relative].insert(name);
    }
  } catch (const nlohmann::json::exception&) {
    refuse(file, "is not the index of a sharded checkpoint (JSON with a weight_map)");
  }
  std::vector<TensorInfo> tensors;
  for (const auto& [shard, names] : shards) {
    if (!fs::exists(shard)) refuse(file, fmt::format("the shard {} is missing", shard.filename().string()));
    const Safetensors part(shard);
    for (const std::string& name : names) {
      if (!part.contains(name)) refuse(file, fmt::format("'{}' should be in {}, and is not", name, shard.filename().string()));
      tensors.push_back(part.info(name));
    }
  }
  return from_list(fmt::format("safetensors in {} files", shards.size()), tensors);
}

// ---- torch.save ----

void find_dicts(const PythonFile& file, const Value& value, const std::string& key, int levels, std::vector<std::string>& found) {
  if (!value.is(Value::Kind::dict)) return;
  if (!file.tensors_in(value).empty()) return found.push_back(key);
  const auto& items = file.document().items(value);
  for (std::size_t i = 0; i < items.size(); i += 2) {
    if (levels > 0 && items[i].is(Value::Kind::text) && items[i].text != "optimizer" &&
        items[i].text.find("optim") == std::string_view::npos)
      find_dicts(file, items[i + 1], key.empty() ? std::string(items[i].text) : fmt::format("{}.{}", key, items[i].text),
                 levels - 1, found);
  }
}

ModelFile from_python(const fs::path& path, std::string key) {
  const PythonFile file(path);
  if (key.empty()) {
    std::vector<std::string> found;
    find_dicts(file, file.at(""), "", 3, found);
    if (found.empty()) refuse(path, "holds no state_dict");
    // one of the usual names among several: the others are averages of weights, or of another use
    for (const char* usual : {"state_dict", "model", "model_state_dict"}) {
      if (found.size() > 1 && std::find(found.begin(), found.end(), usual) != found.end()) found = {usual};
    }
    if (found.size() > 1)
      refuse(path, fmt::format("holds several state_dicts; say which by its key: {}", fmt::join(found, ", ")));
    key = found.front();
  }
  std::vector<TensorInfo> tensors;
  std::map<std::tuple<std::string_view, std::int64_t, std::vector<std::int64_t>>, std::string> first_names;
  std::map<std::string, std::vector<std::string>> ties;
  for (const auto& [name, value] : file.tensors_in(file.at(key))) {
    const pickle::Tensor& tensor = file.description(value);
    const auto [known, is_new] = first_names.emplace(std::tuple(tensor.storage.key, tensor.offset, tensor.shape), name);
    if (is_new || tensor.shape.empty()) {
      tensors.push_back({name, dtype_of(tensor), tensor.shape});
    } else {
      ties[known->second].push_back(name);
    }
  }
  ModelFile model = from_list(key.empty() ? "torch.save" : fmt::format("torch.save, key '{}'", key), tensors);
  for (Parameter& parameter : model.parameters) {
    if (ties.count(parameter.name) > 0) tie_names(parameter, ties[parameter.name]);
  }
  return model;
}

ModelFile from_script(const fs::path& file) {
  ModelFile model{"TorchScript", {}, {}};
  try {
    torch::jit::Module module = torch::jit::load(file.string(), at::kCPU);
    model.parameters = describe(module);
    for (const auto& buffer : module.named_buffers()) model.skipped.push_back({buffer.name, "", buffer.value.sizes().vec()});
  } catch (const c10::Error& error) {
    refuse(file, fmt::format("LibTorch cannot load this TorchScript module: {}", error.what_without_backtrace()));
  }
  for (Parameter& parameter : model.parameters) parameter.tensor = at::Tensor();
  return model;
}

}  // namespace

ModelFile describe_file(const fs::path& file, const std::string& key) {
  if (fs::is_directory(file)) {
    for (const char* name : {"model.safetensors.index.json", "model.safetensors", "pytorch_model.bin"}) {
      if (fs::exists(file / name)) return describe_file(file / name, key);
    }
    for (const fs::path& folder : {file, file / "checkpoints"}) {
      if (const auto newest = latest_checkpoint(folder)) return describe_file(*newest, key);
    }
    refuse(file, "is a folder without model.safetensors or its index; give a file");
  }
  const MappedFile mapped(file);
  const std::string_view start = mapped.bytes(0, 8);
  if (start.starts_with("PK")) return is_torch_script(file) ? from_script(file) : from_python(file, key);
  if (file.extension() == ".json") return from_index(file);
  if (file.extension() == ".safetensors" || (start.size() == 8 && start.substr(4) == std::string_view("\0\0\0\0", 4)))
    return from_safetensors(Safetensors(file));
  return from_python(file, key);  // says what it is not
}

}  // namespace muon
