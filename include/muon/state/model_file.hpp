// muon/state/model_file.hpp: what a checkpoint on disk holds, without loading it.
#pragma once

#include <muon/export.hpp>
#include <muon/plan/parameter.hpp>
#include <muon/state/safetensors.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace muon {

/// A model as a file describes it.
struct ModelFile {
  /// "safetensors", "safetensors in 4 files", "torch.save, key 'model'", "TorchScript"
  std::string format;
  std::vector<Parameter> parameters;  ///< without tensors
  /// what no optimizer trains: buffers, and tensors of no floating type
  std::vector<TensorInfo> skipped;
};

/// Reads names, types and shapes: of a .safetensors file, of a sharded one by its index
/// (model.safetensors.index.json), of a state_dict by Python's torch.save (.pt, .pth, .bin), of a
/// TorchScript module, or of a folder with a model.safetensors or an index. If a file of torch.save
/// holds several dicts, `key` names one ("model"); without a key, the one dict of tensors is taken.
///
/// Roles follow from names and shapes alone, as published models use them; what these leave open is
/// marked (Parameter::low_confidence). A TorchScript module has module types as well.
///
/// Cost     The file is mapped once and its headers are read, whatever its size; a TorchScript
///          module is loaded.
/// Safety   Nothing in a file is executed, except that torch::jit::load may run a TorchScript
///          module's __setstate__. Names are returned as they are in the file and may hold any
///          bytes.
/// Errors   std::runtime_error naming the file: an unknown format, damage, a missing shard, several
///          dicts and no key, a shape whose number of values does not fit in 64 bits. Control
///          characters in names are escaped in the message.
///
/// Example  auto parameters = muon::describe_file("model.safetensors").parameters;
///          muon::Plan plan(parameters, muon::default_rules());
[[nodiscard]] MUON_API ModelFile describe_file(const std::filesystem::path& file,
                                               const std::string& key = "");

}  // namespace muon
