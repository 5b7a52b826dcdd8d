// What the names in a checkpoint file tell about its parameters. A file has no module types, so the
// names that published models use take their place: GPT-2, Llama, Qwen, Mixtral, DeepSeek, ViT,
// ResNet, Whisper and similar models.
#pragma once

#include <muon/plan/parameter.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace muon {

/// A tensor of a file, without its values.
struct NamedTensor {
  std::string name;
  std::string dtype;  ///< in safetensors' words: "F32", "BF16", "I64", ...
  std::vector<std::int64_t> shape;
  std::vector<std::string> aliases;  ///< further names of the same tensor
};

struct NamedModel {
  std::vector<Parameter> parameters;
  /// what no optimizer trains: buffers, and tensors of no floating type
  std::vector<NamedTensor> skipped;
};

/// Sorts out buffers, and gives the rest roles and views from names, shapes and ties. Where no name
/// decides, low_confidence is set and the reason states the doubt. The number of values of each
/// shape fits in 64 bits.
NamedModel describe_names(const std::vector<NamedTensor>& tensors);

}  // namespace muon
