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
     "q_proj", "k_proj", "v_proj", "o_proj", "out_proj", "query", "key", "value", "q", "k", "v", "o", "wq", "wk", "wv", "wo",
     "to_q", "to_k", "to_v", "to_out", "proj", "q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "kv_b_proj", "attn_out", "q_lin",
     "k_lin", "v_lin", "out_lin",
     // feed-forward
     "fc1", "fc2", "fc3", "fc_in", "fc_out", "gate_proj", "up_proj", "down_proj", "w1", "w2", "w3", "linear1", "linear2", "lin1",
     "lin2", "dense", "dense_h_to_4h", "dense_4h_to_h", "wi", "wi_0", "wi_1", "ffn1", "ffn2", "c_fc", "c_proj", "q_attn", "up",
     "down", "linear_fc1", "linear_fc2", "intermediate_dense", "output_dense", "in_proj", "x_proj"});

/// Three projections on top of each other: queries, keys, values.
constexpr std::array<std::string_view, 6> fused{"c_attn", "qkv", "qkv_proj", "Wqkv", "wqkv", "to_qkv"};

std::string_view layer_of(std::string_view name) {
  const std::string_view path = owner_path(name);
  const auto dot = path.rfind('.');
  return dot == std::string_view::npos ? path : path.substr(dot + 1);
}

bool any_component(std::string_view name, std::string_view word) {
  const auto parts = components(name);
  return std::find(parts.begin(), parts.end(), word) != parts.end();
}

/// GPT-2 as Hugging Face stores it, [inputs, outputs]: seen by a c_attn that is three times as wide as high.
bool stores_inputs_first(const std::vector<NamedShape>& tensors) {
  return std::any_of(tensors.begin(), tensors.end(), [](const NamedShape& t) {
    return layer_of(t.name) == "c_attn" && t.shape.size() == 2 && t.shape[1] == 3 * t.shape[0];
  });
}

class NameClassifier {
 public:
  NameClassifier(Parameter& parameter, bool inputs_first)
      : p_(parameter), local_(local_name(p_.name)), layer_(layer_of(p_.name)), inputs_first_(inputs_first) {}

  void run() {
    if (p_.shape.size() < 2) return;
    if (p_.role == Role::embedding && p_.shape.size() == 2 && below_embedding()) {
      return named("", "; part of what is called an embedding");
    }
    if (p_.evidence != Evidence::shape) return;
    if (p_.shape.size() == 2 && (layer_ == "shared" || layer_ == "emb") && !repeated()) return decide(Role::embedding, "", "");
    if (p_.shape.size() == 3 && (is_experts() || layer_ == "experts")) return experts();
    if (p_.shape.size() >= 3 && is_convolution_name()) return convolution();
    if (p_.shape.size() != 2) return;
    if (owner_path(p_.name) == "fc" || owner_path(p_.name) == "module.fc")
      return decide(Role::output_head, "", "; the usual name of an output layer, and of others");
    if (owner_path(p_.name).ends_with("proj_out") && !repeated()) return decide(Role::output_head, "", "");
    if (is_router()) return named("", "; a router: some keep it under AdamW");
    if (contains(fused, layer_) || local_ == "in_proj_weight") return fused_projections();
    if (layer_ == "query_key_value") return named("", "; queries, keys and values interleaved by head: give it a view");
    if (layer_ == "gate_up_proj") return two_halves();
    const bool fits = inputs_first_ && (layer_ == "c_fc" || layer_ == "c_proj" || layer_ == "q_attn");
    if (fits) p_.view = MatrixView::matrix().transposed();
    if (contains(layers, layer_) && local_ != "weight") return named("", fmt::format("; '{}' is not the usual weight", local_));
    if (contains(layers, layer_)) named(fits ? ", stored [inputs, outputs]" : "", "");
  }

 private:
  void decide(Role role, const std::string& more, const std::string& doubt) {
    p_.role = role;
    p_.evidence = Evidence::name;
    p_.reason = fmt::format("name: '{}'{}{}", layer_.empty() ? local_ : layer_, more, doubt);
    p_.guess = !doubt.empty();
  }
  void named(const std::string& more, const std::string& doubt) { decide(Role::hidden_matrix, more, doubt); }

  void convolution() {
    p_.view = MatrixView::flatten();
    decide(Role::convolution, "", p_.shape[1] == 1 ? "; one input channel: depthwise, or the first of a grey image" : "");
  }

  /// A layer of a network that is called an embedding as a whole, or an embedder's numbered layers: no table.
  bool below_embedding() const {
    bool below = false;
    for (const std::string_view part : components(owner_path(p_.name))) {
      if (below && (ends_in_digit(part) || (contains(layers, part) && part != "proj"))) return true;
      below = below || part.find("embed") != std::string_view::npos;
    }
    return false;
  }

  /// Inside a numbered block.
  bool repeated() const {
    const auto parts = components(p_.name);
    return std::any_of(parts.begin(), parts.end(), ends_in_digit);
  }

  bool is_experts() const { return any_component(p_.name, "experts"); }
  bool is_router() const {
    return layer_ == "router" || (layer_ == "gate" && p_.shape[0] <= 1024 && p_.shape[0] < p_.shape[1]) ||
           any_component(p_.name, "router");
  }
  bool is_convolution_name() const {
    const auto parts = components(owner_path(p_.name));
    return std::any_of(parts.begin(), parts.end(),
                       [](std::string_view part) { return part.find("conv") != std::string_view::npos; }) ||
           any_component(p_.name, "downsample");
  }

  /// [experts, rows, columns]; which of them are outputs, the name does not tell.
  void experts() {
    p_.view = MatrixView::stack();
    named(", a stack of experts", "; rows may be its inputs: see MatrixView::transposed");
  }

  void fused_projections() {
    const std::int64_t rows = p_.shape[0], cols = p_.shape[1];
    if (inputs_first_ && layer_ == "c_attn" && cols == 3 * rows) {
      p_.view = MatrixView::matrix().transposed().chunk_rows(3);
      return named(", fused query, key and value, stored [inputs, outputs]", "");
    }
    if (rows == 3 * cols) {
      p_.view = MatrixView::matrix().chunk_rows(3);
      return named(", fused query, key and value", "");
    }
    // grouped-query attention: queries as wide as the model, the rest keys and values
    if (rows > cols && (rows - cols) % 2 == 0 && rows < 3 * cols) {
      const std::int64_t rest = (rows - cols) / 2;
      p_.view = MatrixView::matrix().split_rows({cols, rest, rest});
      return named(", fused query, key and value", "; split as if queries were as wide as the model");
    }
    named("", "; fused, and the parts' sizes are not known: give it a view");
  }

  void two_halves() {
    if (p_.shape[0] % 2 != 0) return named("", "; fused, and the parts' sizes are not known: give it a view");
    p_.view = MatrixView::matrix().chunk_rows(2);
    named(", fused gate and up", "");
  }

  Parameter& p_;
  std::string_view local_, layer_;
  bool inputs_first_;
};

/// fc1, fc2, fc3 at the top of a small network without a head by name: the last is taken for it, as a guess.
void find_last_numbered_layer(std::vector<Parameter>& parameters) {
  Parameter* last = nullptr;
  for (Parameter& p : parameters) {
    if (p.role == Role::output_head || p.role == Role::embedding) return;
    const std::string_view path = owner_path(p.name);
    const bool numbered = ends_in_digit(path) && !stem(path).empty() && path.find('.') == std::string_view::npos;
    if (p.shape.size() != 2 || p.role != Role::hidden_matrix || !numbered) continue;
    if (last == nullptr || std::pair(path.size(), path) > std::pair(owner_path(last->name).size(), owner_path(last->name)))
      last = &p;
  }
  if (last == nullptr) return;
  last->role = Role::output_head;
  last->evidence = Evidence::position;
  last->reason = fmt::format("position only: the last numbered layer, '{}'", owner_path(last->name));
  last->guess = true;
}

}  // namespace

bool is_buffer_name(const NamedShape& tensor) {
  constexpr std::array<std::string_view, 10> words{
      "running_mean", "running_var", "num_batches_tracked",     "masked_bias", "inv_freq", "position_ids",
      "attn_mask",    "causal_mask", "relative_position_index", "rotary_emb"};
  const std::string_view local = local_name(tensor.name);
  if (contains(words, local) || local == "e_score_correction_bias") return true;
  if (local.starts_with("weight_scale") || local == "scales" || local.ends_with("_scale_inv"))
    return true;                                      // of quantized weights
  return local == "bias" && tensor.shape.size() > 2;  // GPT-2's causal mask, attn.bias [1, 1, n, n]
}

void tie_names(Parameter& parameter, std::vector<std::string> aliases) {
  const bool embedding =
      parameter.role == Role::embedding ||
      std::any_of(aliases.begin(), aliases.end(), [](const std::string& name) { return is_embedding_name(name); });
  parameter.aliases = std::move(aliases);
  if (!embedding) return;
  parameter.role = Role::embedding;
  parameter.evidence = Evidence::tie;
  parameter.reason = fmt::format("tie: also {}", fmt::join(parameter.aliases, ", "));
  parameter.guess = false;
}

std::vector<Parameter> describe_names(const std::vector<NamedShape>& tensors) {
  std::vector<Registration> registrations;
  for (const NamedShape& tensor : tensors) {
    Registration entry;
    entry.name = tensor.name;
    entry.shape = tensor.shape;
    registrations.push_back(std::move(entry));
  }
  std::vector<Parameter> parameters = assign_roles(registrations);
  const bool inputs_first = stores_inputs_first(tensors);
  for (Parameter& parameter : parameters) NameClassifier(parameter, inputs_first).run();
  find_last_numbered_layer(parameters);
  return parameters;
}

}  // namespace muon
