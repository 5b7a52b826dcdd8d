// What a parameter's name says of its role. Nothing else is known here: no types, no shapes.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

namespace muon {

template <std::size_t N>
bool contains(const std::array<std::string_view, N>& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

/// The name after its last dot, and the path before it.
std::string_view local_name(std::string_view name);
std::string_view owner_path(std::string_view name);

/// "layers.2.attn" -> layers, 2, attn
std::vector<std::string_view> components(std::string_view path);

/// Numbers of blocks: "2" and "layer2" end in a digit; without it they are "" and "layer".
bool ends_in_digit(std::string_view text);
std::string_view stem(std::string_view text);

bool is_embedding_name(std::string_view name);

/// An attention's output projection is a hidden matrix, however it is called. "attn", "self_attn", "attention1"; not "pattern".
bool is_attention_name(std::string_view name);

/// Called like an output layer: the owner, or the Sequential or list that it is an element of. Inside a numbered block, "out" is
/// the block's own output. Of a Sequential only the last Linear is a head; `ends` says whether this one is.
bool is_head_name(std::string_view name, bool ends);

/// Of the name after the last dot.
bool is_bias_name(std::string_view local);
bool is_gain_name(std::string_view local);

}  // namespace muon
