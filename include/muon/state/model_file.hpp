// muon/state/model_file.hpp: what a checkpoint on disk holds, without loading it.
#pragma once

#include <muon/plan/parameter.hpp>
#include <muon/state/safetensors.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace muon {

/// A model as a file describes it.
struct ModelFile {
  std::string format;                 ///< "safetensors", "safetensors in 4 files", "torch.save, key 'model'", "TorchScript"
  std::vector<Parameter> parameters;  ///< without tensors
  std::vector<TensorInfo> skipped;   ///< buffers, and what is of no floating type: no optimizer trains them
};

/// Reads names, types and shapes: of a .safetensors file, of a sharded one by its index (model.safetensors.index.json), of a
/// state_dict by Python's torch.save (.pt, .pth, .bin), of a TorchScript module, or of a folder with a model.safetensors or an
/// index. In a file of torch.save with several dicts, `key` says which ("model"); without, the one dict of tensors is taken.
///
/// Roles come from names and shapes alone, as published models use them; what they do not tell is marked (Parameter::guess).
/// Of TorchScript the module types are known as well.
///
/// Cost     Headers only, whatever the file's size; a TorchScript module is loaded.
/// Safety   Nothing in a file is executed, but for TorchScript: torch::jit::load may run the module's __setstate__.
/// Errors   std::runtime_error naming the file: not of these, damaged, a shard that is missing, several dicts and no key.
///
/// Example  muon::Plan plan(muon::describe_file("model.safetensors").parameters, muon::default_rules());
ModelFile describe_file(const std::filesystem::path& file, const std::string& key = "");

}  // namespace muon
