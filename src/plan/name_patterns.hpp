// What a parameter's name tells about its role. Nothing else is known here: no types, no shapes.
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

/// The last component of the owner's path: "qkv" of "blocks.0.attn.qkv.weight".
std::string_view layer_name(std::string_view name);

/// "layers.2.attn" -> layers, 2, attn
std::vector<std::string_view> components(std::string_view path);

/// Blocks are told apart by numbers: "2" and "layer2" end in a digit, and their stems are "" and
/// "layer".
bool ends_in_digit(std::string_view text);
std::string_view stem(std::string_view text);

bool is_embedding_name(std::string_view name);

/// Whether the parameter is inside an attention, whose output projection is a hidden matrix
/// whatever its name: a part of its path is such as "attn", "self_attn" or "attention1", but not
/// "pattern".
bool is_attention_name(std::string_view name);

/// Whether the parameter is inside a feed-forward network: "mlp", "ffn", "feed_forward", ...
bool is_feed_forward_name(std::string_view name);

/// Whether the module, or the Sequential or list that it is an element of, has the name of an
/// output layer. Inside a numbered block, "out" is the block's own output. In a Sequential only the
/// last Linear is a head; `ends` tells whether this one is the last.
bool is_head_name(std::string_view name, bool ends);

/// These take the name after the last dot.
bool is_bias_name(std::string_view local);
bool is_gain_name(std::string_view local);

}  // namespace muon
