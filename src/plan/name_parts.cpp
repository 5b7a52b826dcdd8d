#include "plan/name_parts.hpp"

#include "plan/name_words.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cctype>

namespace muon {
namespace {

char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }
bool is_upper(char c) { return std::isupper(static_cast<unsigned char>(c)) != 0; }

bool is_number(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); });
}

/// Wherever they stand, these wrap one module.
bool is_wrapper(std::string_view component) {
  constexpr auto words = std::to_array<std::string_view>(
      {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module",
       "_forward_module", "original_module", "base_layer", "modules_to_save"});
  return contains(words, component);
}

/// These hold a whole model, so in front alone they say nothing.
bool is_whole_model(std::string_view component) {
  constexpr std::array<std::string_view, 5> words{"model", "net", "network", "base_model",
                                                  "_model"};
  return contains(words, component);
}

/// "modules_to_save.default", "lora_A.default": the name of an adapter
bool is_adapter(std::string_view component, std::string_view before) {
  return component == "default" && (before == "modules_to_save" || before.starts_with("lora_"));
}

/// torch.nn.utils.parametrizations.weight_norm's names are those of the older weight_norm.
void undo_parametrization(std::vector<std::string_view>& parts) {
  const std::size_t n = parts.size();
  if (n < 3 || parts[n - 3] != "parametrizations" || parts[n - 2] != "weight") return;
  const std::string_view local = parts[n - 1] == "original1" ? "weight_v" : "weight_g";
  parts.resize(n - 3);
  parts.push_back(local);
}

/// The weight of a layer, whatever its owner calls it.
bool is_weight(std::string_view local) {
  constexpr std::array<std::string_view, 9> words{"weight",   "kernel",      "w",
                                                  "weights",  "weight_v",    "weight_mu",
                                                  "weight_g", "weight_orig", "weight_sigma"};
  return contains(words, local) || local.starts_with("weight_ih") || local.starts_with("weight_hh");
}

/// "in_proj_weight" is the weight of a layer "in_proj"; empty where the name is not of this kind.
std::string_view layer_in_local(std::string_view local) {
  for (const std::string_view ending : {"_weight", "_w"}) {
    if (local.size() > ending.size() && local.ends_with(ending))
      return local.substr(0, local.size() - ending.size());
  }
  return {};
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

std::vector<std::string_view> components(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const auto dot = path.find('.');
    parts.push_back(path.substr(0, dot));
    path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
  }
  return parts;
}

bool ends_in_digit(std::string_view text) {
  return !text.empty() && std::isdigit(static_cast<unsigned char>(text.back()));
}

std::string_view stem(std::string_view text) {
  while (ends_in_digit(text)) text.remove_suffix(1);
  return text;
}

Words words_of(std::string_view component) {
  Words words;
  std::string word;
  const auto finish = [&] {
    word.resize(stem(word).size());
    if (!word.empty()) words.push_back(std::move(word));
    word.clear();
  };
  for (std::size_t i = 0; i < component.size(); ++i) {
    const char c = component[i];
    if (c == '_' || c == '-') {
      finish();
      continue;
    }
    if (i > 0 && is_upper(c) && !is_upper(component[i - 1])) finish();
    word += lower(c);
  }
  finish();
  return words;
}

std::string without_wrappers(std::string_view name) {
  std::vector<std::string_view> parts;
  std::string_view before;
  for (const std::string_view part : components(name)) {
    if (!is_wrapper(part) && !is_adapter(part, before)) parts.push_back(part);
    before = part;
  }
  const auto names_a_layer = [&](std::size_t i) {
    return i + 1 < parts.size() ||
           (i + 1 == parts.size() && !is_weight(parts[i]) && parts[i] != "bias");
  };
  std::size_t first = 0;
  while (first < parts.size() && is_whole_model(parts[first]) && names_a_layer(first + 1)) ++first;
  parts.erase(parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(first));
  undo_parametrization(parts);
  return parts.empty() ? std::string(name) : fmt::format("{}", fmt::join(parts, "."));
}

bool number_less(const std::vector<std::string>& left, const std::vector<std::string>& right) {
  return std::lexicographical_compare(left.begin(), left.end(), right.begin(), right.end(),
                                      [](const std::string& a, const std::string& b) {
                                        return a.size() != b.size() ? a.size() < b.size() : a < b;
                                      });
}

NameParts::NameParts(std::string_view name) : text(without_wrappers(name)) {
  const std::vector<std::string_view> parts = components(text);
  local = parts.empty() ? "" : std::string(parts.back());
  std::size_t end = parts.empty() ? 0 : parts.size() - 1;  // of the modules around the layer
  const std::string_view inner = layer_in_local(local);
  if (is_weight(local)) {
    while (end > 0 && is_number(parts[end - 1])) numbers.emplace_back(parts[--end]);
    std::reverse(numbers.begin(), numbers.end());
    in_list = !numbers.empty();
    if (end > 0) layer = parts[--end];
  } else {
    layer = inner.empty() ? local : std::string(inner);
    bare = inner.empty();
  }
  around.assign(parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(end));
  if (!in_list && ends_in_digit(layer)) numbers.push_back(layer.substr(stem(layer).size()));
  if (!numbers.empty()) {
    sequence = fmt::format("{}.{}#{}", fmt::join(around, "."), in_list ? layer : stem(layer),
                           in_list ? numbers.size() : 0);
  }
  words = words_of(layer);
  for (std::string& number : numbers)
    number.erase(0, std::min(number.find_first_not_of('0'), number.size() - 1));
  for (const std::string& module : around) {
    const Words module_words = words_of(module);
    in_block = in_block || ends_in_digit(module);
    in_attention = in_attention || says_attention(module_words);
    in_feed_forward = in_feed_forward || says_feed_forward(module_words);
  }
  in_attention = in_attention || (!bare && says_attention(words));
}

}  // namespace muon
