#include "plan/fused.hpp"

#include "plan/name_patterns.hpp"
#include "plan/role.hpp"

#include <fmt/format.h>

#include <array>
#include <string>

namespace muon {
namespace {

/// "blocks.0.attn.qkv.weight", "attn.qkv_w", "attn.qkv_weight" -> "qkv"
std::string_view projection_name(std::string_view name) {
  std::string_view local = local_name(name);
  if (local == "weight" || local == "kernel") return layer_name(name);
  for (const std::string_view ending : {"_weight", "_w"}) {
    if (local.ends_with(ending)) local.remove_suffix(ending.size());
  }
  return local;
}

bool says_attention(std::string_view projection) {
  constexpr std::array<std::string_view, 2> words{"c_attn", "query_key_value"};
  return contains(words, projection) || projection.find("qkv") != std::string_view::npos;
}

/// Names that other layers have as well: a state-space model's in_proj, an attention's output.
bool may_say_attention(std::string_view name, std::string_view projection) {
  constexpr std::array<std::string_view, 5> words{"in_proj", "att_proj", "attn_proj", "W_pack",
                                                  "attn_in"};
  return contains(words, projection) && !is_feed_forward_name(name);
}

bool says_two(std::string_view projection) {
  constexpr std::array<std::string_view, 10> words{
      "kv", "to_kv", "kv_proj", "Wkv", "key_value", "gate_up_proj", "gate_up", "wkv", "w12", "w13"};
  return contains(words, projection);
}

bool is_gate(std::string_view projection) {
  return projection.starts_with("gate") || projection.starts_with("w1");
}

class FusedWeight {
 public:
  explicit FusedWeight(Parameter& parameter)
      : p_(parameter),
        projection_(projection_name(p_.name)),
        rows_(p_.shape[0]),
        cols_(p_.shape[1]) {}

  void split() {
    const bool thrice = rows_ == 3 * cols_ || is_stored_inputs_first();
    if (says_attention(projection_) || (thrice && may_say_attention(p_.name, projection_))) {
      attention();
    } else if (says_two(projection_)) {
      two_halves();
    }
  }

 private:
  /// A Linear never is; Hugging Face's Conv1D, which GPT-2 is made of, always.
  bool is_stored_inputs_first() const {
    return p_.evidence != Evidence::module_type && cols_ == 3 * rows_;
  }

  void attention() {
    constexpr const char* parts = "fused query, key and value";
    if (is_stored_inputs_first()) {
      return settle(MatrixView::matrix().transposed().chunk_rows(3),
                    fmt::format("{}: three row blocks, stored [inputs, outputs]", parts));
    }
    if (rows_ == 3 * cols_) {
      settle(MatrixView::matrix().chunk_rows(3), fmt::format("{}: three row blocks", parts));
      if (projection_ == "query_key_value")
        doubt("GPT-NeoX and BLOOM order these rows by head: give it a view");
      return;
    }
    // Grouped heads: as many queries as the model is wide, the rest keys and values.
    if (rows_ > cols_ && rows_ < 3 * cols_ && (rows_ - cols_) % 2 == 0) {
      const std::int64_t rest = (rows_ - cols_) / 2;
      settle(MatrixView::matrix().split_rows({cols_, rest, rest}),
             fmt::format("{} with grouped heads", parts));
      return doubt("split as if queries were as wide as the model");
    }
    settle(p_.view, parts);
    doubt("the parts' sizes are not known: give it a view");
  }

  void two_halves() {
    const char* const parts = is_gate(projection_) ? "fused gate and up" : "fused key and value";
    if (rows_ % 2 == 0) {
      return settle(MatrixView::matrix().chunk_rows(2), fmt::format("{}: two row blocks", parts));
    }
    settle(p_.view, parts);
    doubt("the parts' sizes are not known: give it a view");
  }

  void settle(const MatrixView& view, const std::string& evidence) {
    if (p_.evidence != Evidence::module_type) {
      p_.evidence = Evidence::name;
      p_.reason = fmt::format("name: '{}'", projection_);
    }
    p_.view = view;
    p_.reason += "; " + evidence;
  }

  void doubt(const char* text) {
    p_.low_confidence = true;
    p_.reason += fmt::format("; {}", text);
  }

  Parameter& p_;
  std::string_view projection_;
  std::int64_t rows_, cols_;
};

}  // namespace

bool is_fused_attention_name(std::string_view name) {
  return says_attention(projection_name(name));
}

void split_fused(Parameter& parameter) {
  constexpr std::array<std::string_view, 2> types{"Linear", "MultiheadAttention"};
  if (parameter.role != Role::hidden_matrix || parameter.shape.size() != 2) return;
  const bool may_be =
      parameter.evidence != Evidence::module_type || contains(types, parameter.module_type);
  if (may_be && has_values(parameter)) FusedWeight(parameter).split();
}

}  // namespace muon
