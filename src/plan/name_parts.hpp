// A parameter's name, taken apart. Nothing of what the words mean is known here.
#pragma once

#include <algorithm>
#include <array>
#include <string>
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

/// Blocks are told apart by numbers: "2" and "layer2" end in a digit, and their stems are "" and
/// "layer".
bool ends_in_digit(std::string_view text);
std::string_view stem(std::string_view text);

/// A component's words in lower case, without numbers: "SelfAttention", "self_attention2" -> self,
/// attention.
using Words = std::vector<std::string>;
Words words_of(std::string_view component);

template <std::size_t N>
bool has_any(const Words& words, const std::array<std::string_view, N>& list) {
  return std::any_of(words.begin(), words.end(),
                     [&](const std::string& word) { return contains(list, word); });
}

/// The name without the modules that wrap a model or a layer and say nothing of it: "module." of
/// DistributedDataParallel, "_orig_mod." of torch.compile, "net." and "model." of training loops.
std::string without_wrappers(std::string_view name);

/// The order of numbers of any length: "9" before "10".
bool number_less(const std::vector<std::string>& left, const std::vector<std::string>& right);

struct NameParts {
  explicit NameParts(std::string_view name);

  std::string text;                 ///< the name without wrappers
  std::vector<std::string> around;  ///< the modules around the layer, the outermost first
  std::string layer;                ///< "fc1"; a parameter that a block registers itself is its own
  Words words;                      ///< those of the layer
  std::string local;                ///< the parameter: "weight"
  bool bare = false;                ///< registered by a block itself: not the weight of a layer
  /// the layer's place: its numbers in lists and Sequentials (classifier.6), or its own (fc1)
  std::vector<std::string> numbers;
  bool in_list = false;  ///< the numbers are those of a list or a Sequential
  /// equal for layers that differ in their numbers alone; empty without a number
  std::string sequence;
  bool in_block = false;         ///< inside a numbered block; a list of layers is none
  bool in_attention = false;     ///< of an attention, whose output is no head whatever its name
  bool in_feed_forward = false;  ///< of a feed-forward network inside something else
};

}  // namespace muon
