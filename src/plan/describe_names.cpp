#include "plan/describe_names.hpp"

#include "plan/name_patterns.hpp"
#include "plan/role.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace muon {
namespace {

/// Layers that hold one hidden matrix, by the last word of their path.
constexpr auto layers = std::to_array<std::string_view>(
    {// attention
     "q_proj", "k_proj", "v_proj", "o_proj", "out_proj", "query", "key", "value", "q", "k", "v",
     "o", "wq", "wk", "wv", "wo", "to_q", "to_k", "to_v", "to_out", "proj", "q_a_proj", "q_b_proj",
     "kv_a_proj_with_mqa", "kv_b_proj", "attn_out", "q_lin", "k_lin", "v_lin", "out_lin",
     // feed-forward
     "fc1", "fc2", "fc3", "fc_in", "fc_out", "gate_proj", "up_proj", "down_proj", "w1", "w2", "w3",
     "linear1", "linear2", "lin1", "lin2", "dense", "dense_h_to_4h", "dense_4h_to_h", "wi", "wi_0",
     "wi_1", "ffn1", "ffn2", "c_fc", "c_proj", "q_attn", "up", "down", "linear_fc1", "linear_fc2",
     "intermediate_dense", "output_dense", "in_proj", "x_proj"});

bool any_component(std::string_view name, std::string_view word) {
  const auto parts = components(name);
  return std::find(parts.begin(), parts.end(), word) != parts.end();
}

/// Whether matrices are stored as [inputs, outputs], as Hugging Face does for GPT-2: its c_attn is
/// three times as wide as high.
bool stores_inputs_first(const std::vector<Parameter>& parameters) {
  return std::any_of(parameters.begin(), parameters.end(), [](const Parameter& p) {
    return layer_name(p.name) == "c_attn" && p.shape.size() == 2 && has_values(p) &&
           p.shape[1] == 3 * p.shape[0];
  });
}

/// Running averages, masks, rotary tables, and the scales of quantized weights: buffers, which no
/// optimizer trains.
bool is_buffer(const NamedTensor& tensor) {
  constexpr std::array<std::string_view, 10> words{
      "running_mean", "running_var", "num_batches_tracked",
      "masked_bias",  "inv_freq",    "position_ids",
      "attn_mask",    "causal_mask", "relative_position_index",
      "rotary_emb"};
  const std::string_view local = local_name(tensor.name);
  if (contains(words, local) || local == "e_score_correction_bias") return true;
  if (local.starts_with("weight_scale") || local == "scales" || local.ends_with("_scale_inv"))
    return true;
  return local == "bias" && tensor.shape.size() > 2;  // GPT-2's causal mask, attn.bias [1, 1, n, n]
}

bool is_floating(const NamedTensor& tensor) {
  return tensor.dtype.starts_with("F") || tensor.dtype == "BF16";
}

/// Whether the name is that of a layer of a network that is called an embedding as a whole, or of
/// one of an embedder's numbered layers; neither is a table.
bool is_below_embedding(std::string_view name) {
  bool below = false;
  for (const std::string_view part : components(owner_path(name))) {
    if (below && (ends_in_digit(part) || (contains(layers, part) && part != "proj"))) return true;
    below = below || part.find("embed") != std::string_view::npos;
  }
  return false;
}

/// Reads a parameter's name where assign_roles, which knows no published model, found only its
/// shape.
class NameClassifier {
 public:
  NameClassifier(Parameter& parameter, bool inputs_first)
      : p_(parameter),
        local_(local_name(p_.name)),
        layer_(layer_name(p_.name)),
        inputs_first_(inputs_first) {}

  void run() {
    if (p_.shape.size() < 2 || !has_values(p_)) return;
    if (p_.role == Role::embedding && p_.shape.size() == 2 && below_embedding()) {
      return named("", "; part of what is called an embedding");
    }
    if (p_.evidence != Evidence::shape) return;
    if (p_.shape.size() == 2 && (layer_ == "shared" || layer_ == "emb") && !repeated())
      return decide(Role::embedding, "", "");
    if (p_.shape.size() == 3 && (is_experts() || layer_ == "experts")) return experts();
    if (p_.shape.size() >= 3 && is_convolution_name()) return convolution();
    if (p_.shape.size() != 2) return;
    if (owner_path(p_.name) == "fc" || owner_path(p_.name) == "module.fc")
      return decide(Role::output_head, "", "; the usual name of an output layer, and of others");
    if (owner_path(p_.name).ends_with("proj_out") && !repeated())
      return decide(Role::output_head, "", "");
    if (is_router()) return named("", "; a router: some keep it under AdamW");
    const bool fits =
        inputs_first_ && (layer_ == "c_fc" || layer_ == "c_proj" || layer_ == "q_attn");
    if (fits) p_.view = MatrixView::matrix().transposed();
    if (contains(layers, layer_) && local_ != "weight")
      return named("", fmt::format("; '{}' is not the usual weight", local_));
    if (contains(layers, layer_)) named(fits ? ", stored [inputs, outputs]" : "", "");
  }

 private:
  void decide(Role role, const std::string& more, const std::string& doubt) {
    p_.role = role;
    p_.evidence = Evidence::name;
    p_.reason = fmt::format("name: '{}'{}{}", layer_.empty() ? local_ : layer_, more, doubt);
    p_.low_confidence = !doubt.empty();
  }
  void named(const std::string& more, const std::string& doubt) {
    decide(Role::hidden_matrix, more, doubt);
  }

  void convolution() {
    p_.view = MatrixView::flatten();
    decide(Role::convolution, "",
           p_.shape[1] == 1 ? "; one input channel: depthwise, or the first of a grey image" : "");
  }

  /// Under all its names: a tensor that is tied to a head is a table.
  bool below_embedding() const {
    return is_below_embedding(p_.name) &&
           std::all_of(p_.aliases.begin(), p_.aliases.end(), is_below_embedding);
  }

  /// Whether the parameter is inside a numbered block.
  bool repeated() const {
    const auto parts = components(p_.name);
    return std::any_of(parts.begin(), parts.end(), ends_in_digit);
  }

  bool is_experts() const { return any_component(p_.name, "experts"); }
  bool is_router() const {
    return layer_ == "router" ||
           (layer_ == "gate" && p_.shape[0] <= 1024 && p_.shape[0] < p_.shape[1]) ||
           any_component(p_.name, "router");
  }
  bool is_convolution_name() const {
    const auto parts = components(owner_path(p_.name));
    return std::any_of(
               parts.begin(), parts.end(),
               [](std::string_view part) { return part.find("conv") != std::string_view::npos; }) ||
           any_component(p_.name, "downsample");
  }

  /// [experts, rows, columns]; the name does not tell whether rows or columns are the outputs.
  void experts() {
    p_.view = MatrixView::stack();
    named(", a stack of experts", "; rows may be its inputs: see MatrixView::transposed");
  }

  Parameter& p_;
  std::string_view local_, layer_;
  bool inputs_first_;
};

/// In a small network of fc1, fc2 and fc3 without a head by name, takes the last for the head, with
/// low confidence.
void find_last_numbered_layer(std::vector<Parameter>& parameters) {
  Parameter* last = nullptr;
  for (Parameter& p : parameters) {
    if (p.role == Role::output_head || p.role == Role::embedding) return;
    const std::string_view path = owner_path(p.name);
    const bool numbered = has_values(p) && ends_in_digit(path) && !stem(path).empty() &&
                          path.find('.') == std::string_view::npos;
    if (p.shape.size() != 2 || p.role != Role::hidden_matrix || !numbered) continue;
    if (last == nullptr || std::pair(path.size(), path) >
                               std::pair(owner_path(last->name).size(), owner_path(last->name)))
      last = &p;
  }
  if (last == nullptr) return;
  last->role = Role::output_head;
  last->evidence = Evidence::position;
  last->reason =
      fmt::format("position only: the last numbered layer, '{}'", owner_path(last->name));
  last->low_confidence = true;
}

}  // namespace

NamedModel describe_names(const std::vector<NamedTensor>& tensors) {
  NamedModel model;
  std::vector<Registration> registrations;
  for (const NamedTensor& tensor : tensors) {
    if (!is_floating(tensor) || is_buffer(tensor)) {
      model.skipped.push_back(tensor);
      continue;
    }
    Registration entry;
    entry.name = tensor.name;
    entry.shape = tensor.shape;
    entry.identity = &tensor;
    registrations.push_back(entry);
    for (const std::string& alias : tensor.aliases) {
      entry.name = alias;
      registrations.push_back(entry);
    }
  }
  model.parameters = assign_roles(registrations);
  const bool inputs_first = stores_inputs_first(model.parameters);
  for (Parameter& parameter : model.parameters) NameClassifier(parameter, inputs_first).run();
  find_last_numbered_layer(model.parameters);
  return model;
}

}  // namespace muon
