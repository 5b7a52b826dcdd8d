#include "plan/fused.hpp"

#include "plan/role.hpp"

#include <fmt/format.h>

#include <array>
#include <string>

namespace muon {
namespace {

/// Names that other layers have as well: a state-space model's in_proj, an attention's output.
bool may_be_fused_attention(const NameParts& name) {
  constexpr std::array<std::string_view, 5> words{"in_proj", "att_proj", "attn_proj", "W_pack",
                                                  "attn_in"};
  return contains(words, name.layer) && !name.in_feed_forward;
}

bool says_two(std::string_view projection) {
  constexpr std::array<std::string_view, 10> words{
      "kv", "to_kv", "kv_proj", "Wkv", "key_value", "gate_up_proj", "gate_up", "wkv", "w12", "w13"};
  return contains(words, projection);
}

bool is_gate(std::string_view projection) {
  return projection.starts_with("gate") || projection.starts_with("w1");
}

/// Without a product, which may have more than 64 bits.
bool is_thrice(std::int64_t large, std::int64_t small) {
  return large % 3 == 0 && large / 3 == small;
}

class FusedWeight {
 public:
  FusedWeight(Parameter& parameter, const NameParts& name, std::optional<std::int64_t> queries)
      : p_(parameter),
        name_(name),
        rows_(p_.shape[0]),
        cols_(p_.shape[1]),
        queries_(queries.value_or(cols_)),
        queries_are_known_(queries.has_value()) {}

  void split() {
    const bool thrice =
        is_thrice(rows_, cols_) || is_thrice(rows_, queries_) || is_stored_inputs_first();
    if (is_fused_attention(name_.layer) || (thrice && may_be_fused_attention(name_))) {
      attention();
    } else if (says_two(name_.layer)) {
      two_halves();
    }
  }

 private:
  /// A Linear never is; Hugging Face's Conv1D, which GPT-2 is made of, always.
  bool is_stored_inputs_first() const {
    return p_.evidence != Evidence::module_type && is_thrice(cols_, rows_);
  }

  void attention() {
    constexpr const char* parts = "fused query, key and value";
    if (is_stored_inputs_first()) {
      return settle(MatrixView::matrix().transposed().chunk_rows(3),
                    fmt::format("{}: three row blocks, stored [inputs, outputs]", parts));
    }
    if (is_thrice(rows_, queries_)) {
      settle(MatrixView::matrix().chunk_rows(3), fmt::format("{}: three row blocks", parts));
      if (name_.layer == "query_key_value")
        doubt("GPT-NeoX and BLOOM order these rows by head: give it a view");
      return;
    }
    if (rows_ > queries_ && rows_ / 3 < queries_ && (rows_ - queries_) % 2 == 0) {
      const std::int64_t rest = (rows_ - queries_) / 2;
      settle(MatrixView::matrix().split_rows({queries_, rest, rest}),
             fmt::format("{} with grouped heads", parts));
      return doubt(queries_are_known_ ? "split by the width of the output projection, in this order"
                                      : "split as if queries were as wide as the model");
    }
    settle(p_.view, parts);
    doubt("the parts' sizes are not known: give it a view");
  }

  void two_halves() {
    const char* const parts = is_gate(name_.layer) ? "fused gate and up" : "fused key and value";
    if (rows_ % 2 == 0) {
      return settle(MatrixView::matrix().chunk_rows(2), fmt::format("{}: two row blocks", parts));
    }
    settle(p_.view, parts);
    doubt("the parts' sizes are not known: give it a view");
  }

  void settle(const MatrixView& view, const std::string& evidence) {
    if (p_.evidence != Evidence::module_type) {
      p_.evidence = Evidence::name;
      p_.reason = fmt::format("name: '{}'", name_.layer);
    }
    p_.view = view;
    p_.reason += "; " + evidence;
  }

  void doubt(const char* text) {
    p_.low_confidence = true;
    p_.reason += fmt::format("; {}", text);
  }

  Parameter& p_;
  const NameParts& name_;
  std::int64_t rows_, cols_;
  std::int64_t queries_;
  bool queries_are_known_;
};

}  // namespace

bool is_fused_attention(std::string_view layer) {
  constexpr std::array<std::string_view, 2> words{"c_attn", "query_key_value"};
  return contains(words, layer) || layer.find("qkv") != std::string_view::npos;
}

void split_fused(Parameter& parameter, const NameParts& name, std::optional<std::int64_t> queries) {
  constexpr std::array<std::string_view, 2> types{"Linear", "MultiheadAttention"};
  if (parameter.role != Role::hidden_matrix || parameter.shape.size() != 2) return;
  const bool may_be =
      parameter.evidence != Evidence::module_type || contains(types, parameter.module_type);
  if (may_be && has_values(parameter)) FusedWeight(parameter, name, queries).split();
}

}  // namespace muon
