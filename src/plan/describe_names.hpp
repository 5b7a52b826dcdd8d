// What the names in a checkpoint file say of its parameters. A file has no module types, so where a live model's type would
// speak, the names that published models use must: GPT-2, Llama, Qwen, Mixtral, DeepSeek, ViT, ResNet, Whisper and their kin.
#pragma once

#include <muon/plan/parameter.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace muon {

/// A tensor of a file.
struct NamedShape {
  std::string name;
  std::vector<std::int64_t> shape;
};

/// Whether the name is that of a buffer, which no optimizer trains: running averages, masks, rotary tables.
bool is_buffer_name(const NamedShape& tensor);

/// Gives a parameter further names of the same tensor: an embedding if one of them says so.
void tie_names(Parameter& parameter, std::vector<std::string> aliases);

/// Roles and views from names and shapes. What no name tells is marked as a guess, with the doubt in words.
std::vector<Parameter> describe_names(const std::vector<NamedShape>& tensors);

}  // namespace muon
