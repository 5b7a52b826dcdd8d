#include "plan/name_patterns.hpp"

#include <cctype>

namespace muon {
namespace {

bool is_number(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); });
}

bool is_head_word(std::string_view word) {
  constexpr std::array<std::string_view, 19> words{
      "head",  "heads",      "out",    "output",     "output_layer", "classifier", "logits",
      "score", "prediction", "fc_out", "readout",    "decoder",      "final",      "policy",
      "value", "actor",      "critic", "action_net", "value_net"};
  if (word.starts_with("head_") && is_number(word.substr(5))) return true;
  return contains(words, word) || word.ends_with("_head");
}

/// Whether a component of the owner's path has one of these words between its underscores.
template <std::size_t N>
bool any_word_of_path(std::string_view name, const std::array<std::string_view, N>& words) {
  for (const std::string_view part : components(owner_path(name))) {
    std::string_view rest = stem(part);
    while (!rest.empty()) {
      const auto end = rest.find('_');
      if (contains(words, rest.substr(0, end))) return true;
      rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    }
  }
  return false;
}

}  // namespace

std::string_view local_name(std::string_view name) {
  const auto dot = name.rfind('.');
  return dot == std::string_view::npos ? name : name.substr(dot + 1);
}

std::string_view owner_path(std::string_view name) {
  const auto dot = name.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : name.substr(0, dot);
}

std::string_view layer_name(std::string_view name) { return local_name(owner_path(name)); }

std::vector<std::string_view> components(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const auto dot = path.find('.');
    parts.push_back(path.substr(0, dot));
    path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
  }
  return parts;
}

bool is_embedding_name(std::string_view name) {
  constexpr std::array<std::string_view, 6> words{
      "wte", "wpe", "cls_token", "pos_emb", "tok_emb", "relative_position_bias_table"};
  for (const std::string_view part : components(name)) {
    if (contains(words, part) || part.find("embed") != std::string_view::npos) return true;
  }
  return false;
}

bool ends_in_digit(std::string_view text) {
  return !text.empty() && std::isdigit(static_cast<unsigned char>(text.back()));
}

std::string_view stem(std::string_view text) {
  while (ends_in_digit(text)) text.remove_suffix(1);
  return text;
}

bool is_attention_name(std::string_view name) {
  constexpr std::array<std::string_view, 5> words{"att", "attn", "attention", "mha", "msa"};
  return any_word_of_path(name, words);
}

bool is_feed_forward_name(std::string_view name) {
  constexpr std::array<std::string_view, 5> words{"mlp", "ffn", "ff", "ffwd", "feedforward"};
  return any_word_of_path(name, words) || name.find("feed_forward") != std::string_view::npos;
}

bool is_head_name(std::string_view name, bool ends) {
  constexpr std::array<std::string_view, 3> anywhere{"lm_head", "unembed", "embed_out"};
  auto parts = components(owner_path(name));
  if (parts.empty()) return false;
  if (contains(anywhere, parts.back())) return true;
  const bool element = parts.size() > 1 && is_number(parts.back());
  if (element) parts.pop_back();
  const std::string_view owner = parts.back();
  parts.pop_back();
  if (std::any_of(parts.begin(), parts.end(), ends_in_digit) || !is_head_word(owner)) return false;
  if (!owner.ends_with("_head") && is_attention_name(name)) return false;
  return !element || owner == "heads" || ends;
}

bool is_bias_name(std::string_view local) {
  return local == "b" || local == "beta" || local.starts_with("bias") || local.ends_with("bias");
}

bool is_gain_name(std::string_view local) {
  constexpr std::array<std::string_view, 5> words{"weight", "gain", "gamma", "scale", "g"};
  return contains(words, local);
}

}  // namespace muon
