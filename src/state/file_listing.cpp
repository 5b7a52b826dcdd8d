#include "state/file_listing.hpp"

#include "files/printable.hpp"
#include "files/safetensors_header.hpp"
#include "files/safetensors_tensors.hpp"
#include "files/sizes.hpp"
#include "state/checkpoint_layout.hpp"
#include "state/formats/python_file.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <stdexcept>
#include <string_view>
#include <tuple>
#include <utility>

namespace muon {
namespace {

namespace fs = std::filesystem;
using pickle::Value;

std::shared_ptr<MappedFile> mapped_file(const fs::path& file) {
  try {
    return std::make_shared<MappedFile>(file);
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(fmt::format("[model_file] {}", printable(error.what())));
  }
}

// ---- safetensors ----

safetensors::Header header_of(const fs::path& file, const MappedFile& mapped) {
  try {
    return safetensors::read(mapped.bytes(0, mapped.size())).header;
  } catch (const std::runtime_error& error) {
    refuse_model_file(file, error.what());
  }
}

NamedTensor named(safetensors::Entry entry) {
  return {std::move(entry.name), std::move(entry.dtype), std::move(entry.shape), {}};
}

/// A checkpoint of this library also holds an optimizer; only the model's tensors are listed, under
/// their names in the model.
FileListing list_safetensors(const OpenedFile& file) {
  safetensors::Header header = header_of(file.path, *file.mapped);
  const bool is_ours = checkpoint::is_checkpoint(header.metadata);
  constexpr std::string_view prefix = checkpoint::model_prefix;
  FileListing listing{is_ours ? "checkpoint of muon.cpp" : "safetensors", {}};
  for (safetensors::Entry& entry : header.entries) {
    if (is_ours && !entry.name.starts_with(prefix)) continue;
    if (is_ours) entry.name.erase(0, prefix.size());
    listing.tensors.push_back(named(std::move(entry)));
  }
  return listing;
}

/// The names in each shard, from the index of a sharded checkpoint.
std::map<fs::path, std::set<std::string>> shards_of(const OpenedFile& file) {
  std::map<fs::path, std::set<std::string>> shards;
  try {
    const auto json = nlohmann::json::parse(file.mapped->bytes(0, file.mapped->size()));
    for (const auto& [name, shard] : json.at("weight_map").items()) {
      const fs::path relative = shard.get<std::string>();
      if (relative.is_absolute() || relative.has_parent_path())
        refuse_model_file(file.path,
                          fmt::format("names the shard '{}', which is not a file in its folder",
                                      relative.string()));
      shards[file.path.parent_path() / relative].insert(name);
    }
  } catch (const nlohmann::json::exception&) {
    refuse_model_file(file.path,
                      "is not the index of a sharded checkpoint (JSON with a weight_map)");
  }
  return shards;
}

FileListing list_index(const OpenedFile& file) {
  const auto shards = shards_of(file);
  FileListing listing{
      fmt::format("safetensors in {} file{}", shards.size(), shards.size() == 1 ? "" : "s"), {}};
  for (const auto& [shard, names] : shards) {
    const std::string shard_name = shard.filename().string();
    if (!fs::exists(shard))
      refuse_model_file(file.path, fmt::format("the shard {} is missing", shard_name));
    safetensors::Header header = header_of(shard, *mapped_file(shard));
    std::map<std::string_view, safetensors::Entry*> entries;
    for (safetensors::Entry& entry : header.entries) entries.emplace(entry.name, &entry);
    for (const std::string& name : names) {
      const auto found = entries.find(name);
      if (found == entries.end())
        refuse_model_file(file.path,
                          fmt::format("'{}' should be in {}, but is not", name, shard_name));
      listing.tensors.push_back({name, found->second->dtype, found->second->shape, {}});
    }
  }
  return listing;
}

// ---- torch.save ----

struct FoundDict {
  std::string key;  // "trainer.model"; empty for the whole
  const Value* dict;
};

/// Collects the dicts that hold tensors, down to `levels` below this one, except those of
/// optimizers.
void find_dicts(const PythonFile& file, const Value& value, const std::string& key, int levels,
                std::vector<FoundDict>& found) {
  if (!value.is(Value::Kind::dict)) return;
  if (!file.tensors_in(value).empty()) return found.push_back({key, &value});
  if (levels == 0) return;
  const auto& items = file.document().items(value);
  for (std::size_t i = 0; i < items.size(); i += 2) {
    const bool named = items[i].is(Value::Kind::text);
    if (!named || items[i].text == "optimizer" ||
        items[i].text.find("optim") != std::string_view::npos)
      continue;
    const std::string below =
        key.empty() ? std::string(items[i].text) : fmt::format("{}.{}", key, items[i].text);
    find_dicts(file, items[i + 1], below, levels - 1, found);
  }
}

/// The only dict of tensors, or the one with a usual name: others are averages of the weights, for
/// example.
FoundDict the_state_dict(const fs::path& path, const PythonFile& file) {
  std::vector<FoundDict> found;
  find_dicts(file, file.at(""), "", 3, found);
  if (found.empty()) refuse_model_file(path, "holds no state_dict");
  if (found.size() == 1) return found.front();
  for (const std::string_view usual : {"state_dict", "model", "model_state_dict"}) {
    const auto same = std::find_if(found.begin(), found.end(),
                                   [&](const FoundDict& f) { return f.key == usual; });
    if (same != found.end()) return *same;
  }
  constexpr std::size_t most = 20;
  std::string keys = found.front().key;
  for (std::size_t i = 1; i < std::min(found.size(), most); ++i) keys += ", " + found[i].key;
  refuse_model_file(path, fmt::format("holds several state_dicts; choose one by its key: {}{}",
                                      keys, found.size() > most ? ", ..." : ""));
}

FileListing list_torch_save(OpenedFile file, const std::string& key) {
  const PythonFile python("model_file", file.path.string(), file.mapped, std::move(file.zip));
  const FoundDict found =
      key.empty() ? the_state_dict(file.path, python) : FoundDict{key, &python.at(key)};
  FileListing listing{
      found.key.empty() ? "torch.save" : fmt::format("torch.save, key '{}'", found.key), {}};
  std::map<std::tuple<std::string_view, std::int64_t, std::vector<std::int64_t>>, std::size_t>
      first;
  for (auto& [name, value] : python.tensors_in(*found.dict)) {
    const pickle::Tensor& tensor = python.description(value);
    if (!tensor.shape.empty() && count_values(tensor.shape) > 0) {
      const auto place = std::tuple(tensor.storage.key, tensor.offset, tensor.shape);
      const auto [known, is_new] = first.emplace(place, listing.tensors.size());
      if (!is_new) {
        listing.tensors[known->second].aliases.push_back(name);
        continue;
      }
    }
    listing.tensors.push_back({name, dtype_of(tensor), tensor.shape, {}});
  }
  return listing;
}

}  // namespace

OpenedFile::OpenedFile(const fs::path& file) : path(file), mapped(mapped_file(file)) {
  const std::string_view start = mapped->bytes(0, 8);
  if (start.starts_with("PK")) {
    try {
      zip = std::make_unique<ZipReader>(mapped->bytes(0, mapped->size()));
      if (!zip->find("constants.pkl").empty()) kind = Kind::torch_script;
    } catch (const std::runtime_error& error) {
      refuse_model_file(path, error.what());
    }
  } else if (path.extension() == ".json") {
    kind = Kind::index;
  } else if (path.extension() == ".safetensors" ||
             (start.size() == 8 && start.substr(4) == std::string_view("\0\0\0\0", 4))) {
    kind = Kind::safetensors;
  }
}

FileListing list_file(OpenedFile file, const std::string& key) {
  switch (file.kind) {
    case OpenedFile::Kind::safetensors: return list_safetensors(file);
    case OpenedFile::Kind::index: return list_index(file);
    case OpenedFile::Kind::torch_save:
    case OpenedFile::Kind::torch_script: break;
  }
  return list_torch_save(std::move(file), key);
}

void refuse_model_file(const fs::path& file, const std::string& what) {
  throw std::runtime_error(
      fmt::format("[model_file] {}: {}", printable(file.string()), printable(what)));
}

}  // namespace muon
