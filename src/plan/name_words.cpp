#include "plan/name_words.hpp"

namespace muon {
namespace {

using std::to_array;

constexpr auto table_words = to_array<std::string_view>(
    {"embed", "embeds", "embedding", "embeddings", "emb", "embs", "lut", "luts", "wte", "wpe",
     "codebook", "codebooks", "table", "tables", "factors", "lookup"});

constexpr auto projection_words = to_array<std::string_view>(
    {"proj", "projs", "projection", "projections", "linear", "lin", "fc", "fcs", "dense", "mlp"});

// ---- heads ----

/// These name an output by themselves.
constexpr auto output_words = to_array<std::string_view>(
    {"head", "logits", "logit", "classifier", "classifiers", "pred", "preds", "predict",
     "prediction", "predictions", "score", "scores", "readout", "unembed", "unembedding"});

/// What may follow one of those: "prediction_layer", but not "prediction_encoder".
constexpr auto words_behind_output = to_array<std::string_view>(
    {"layer", "layers", "linear", "fc",     "proj",   "projection", "out",    "output",
     "dense", "net",    "branch", "weight", "dist",   "aux",        "action", "return",
     "state", "reg",    "cls",    "bbox",   "reward", "value",      "policy"});

constexpr auto layer_words = to_array<std::string_view>(
    {"layer", "layers", "block", "proj", "projection", "fc", "linear", "mapping", "conv"});

/// What reinforcement learning calls its outputs and the networks that compute them.
constexpr auto agent_words = to_array<std::string_view>(
    {"actor", "critic", "policy", "value", "action", "q", "qf", "reward", "mu", "logstd", "mean"});

bool is_output_word(std::string_view word) { return contains(output_words, word); }

bool says_output(const Words& words) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto may_follow = [](const std::string& word) {
      return is_output_word(word) || contains(words_behind_output, word);
    };
    if (is_output_word(words[i]) &&
        std::all_of(words.begin() + static_cast<std::ptrdiff_t>(i), words.end(), may_follow))
      return true;
  }
  return false;
}

/// "output_layer", "final_linear", "last_fc"
bool says_last_layer(const Words& words) {
  constexpr std::array<std::string_view, 3> first{"final", "output", "last"};
  return contains(first, words.front()) && contains(layer_words, words.back());
}

/// "fc_mean", "fc_cls", "linear_out"
bool says_fully_connected_output(const Words& words) {
  constexpr std::array<std::string_view, 3> first{"fc", "linear", "lin"};
  constexpr auto outputs =
      to_array<std::string_view>({"cls", "reg", "mean", "mu", "logstd", "logvar", "std", "sigma",
                                  "final", "bbox", "class", "classes", "output"});
  return contains(first, words.front()) && has_any(words, outputs);
}

bool is_ambiguous(std::string_view layer, const Words& words) {
  constexpr std::array<std::string_view, 5> first{"out", "output", "final", "last", "proj"};
  constexpr std::array<std::string_view, 3> alone{"output", "final", "out"};
  const bool follows =
      contains(layer_words, words.back()) || words.back() == "out" || words.back() == "output";
  return words.back() == "out" || contains(alone, layer) ||
         (words.size() > 1 && contains(first, words.front()) && follows);
}

bool is_usual(std::string_view layer, const Words& words) {
  constexpr auto whole = to_array<std::string_view>(
      {"decoder", "final", "policy",    "value", "actor",      "critic",  "action",  "generator",
       "mu",      "mean",  "advantage", "adv",   "baseline",   "lm_loss", "log_std", "log_sigma",
       "sigma",   "q",     "predictor", "std",   "hidden2tag", "output"});
  constexpr auto last =
      to_array<std::string_view>({"outputs", "regressor", "regression", "logvar", "logstd",
                                  "classes", "vocab", "tag", "tags", "heads", "labels", "actions"});
  constexpr auto behind_agent =
      to_array<std::string_view>({"layer", "linear", "fc", "out", "net", "mean", "proj", "logits"});
  if (contains(whole, layer) || contains(last, words.back()) || says_output(words)) return true;
  if (words.front() == "cls" || says_fully_connected_output(words)) return true;
  return words.size() == 2 && contains(agent_words, words.front()) &&
         contains(behind_agent, words.back());
}

}  // namespace

bool says_attention(const Words& words) {
  constexpr std::array<std::string_view, 5> exact{"att", "attentions", "mha", "msa", "attns"};
  return std::any_of(words.begin(), words.end(), [&](const std::string& word) {
    return contains(exact, word) || word.ends_with("attention") || word.ends_with("attn");
  });
}

bool says_feed_forward(const Words& words) {
  constexpr std::array<std::string_view, 6> exact{"mlp",  "ffn",         "ff",
                                                  "ffwd", "feedforward", "ffns"};
  const auto feed = std::find(words.begin(), words.end(), "feed");
  return has_any(words, exact) ||
         (feed != words.end() && feed + 1 != words.end() && *(feed + 1) == "forward");
}

bool says_embedding(const Words& words) { return has_any(words, table_words); }

bool says_head_around(std::string_view component) {
  constexpr auto last = to_array<std::string_view>(
      {"head",   "heads", "classifier", "classifiers", "cls",       "predictions", "prediction",
       "policy", "value", "actor",      "critic",      "generator", "predictor",   "pred",
       "qf",     "vf",    "pi",         "readout",     "logits",    "advantage",   "reward"});
  constexpr std::array<std::string_view, 4> first{"cls", "vf", "pi", "classification"};
  const Words words = words_of(component);
  if (words.empty()) return false;
  if (contains(last, words.back())) return true;
  const bool agent = contains(agent_words, words.front()) || contains(first, words.front());
  if (agent && words.back() != "encoder" && words.back() != "proj" && !says_embedding(words))
    return true;
  if (is_ambiguous(component, words)) return says_last_layer(words);
  return component != "decoder" && head_name(component) != HeadName::none;
}

bool says_normalization(const Words& words) {
  constexpr std::array<std::string_view, 3> last{"ln", "bn", "gn"};
  constexpr std::array<std::string_view, 4> first{"norm", "ln", "bn", "layernorm"};
  if (words.empty()) return false;
  return contains(last, words.back()) || words.back().ends_with("norm") ||
         (words.size() <= 2 && contains(first, words.front()) && words.back().size() == 1);
}

bool says_table(const Words& words) {
  constexpr auto other =
      to_array<std::string_view>({"project", "projector", "linears", "conv", "mapping", "adapter",
                                  "transform", "gate", "ffn", "network", "net", "nn"});
  return says_embedding(words) && !has_any(words, other) && !has_any(words, projection_words);
}

bool says_tables(const Words& words) {
  constexpr auto several =
      to_array<std::string_view>({"list", "bag", "bags", "dict", "collection", "luts", "embeds",
                                  "embs", "embeddings", "tables", "l"});
  return has_any(words, several);
}

bool says_token(const Words& words) {
  constexpr auto tokens = to_array<std::string_view>(
      {"token",       "tokens",   "latent",  "latents",    "query",       "queries",
       "prompt",      "prompts",  "probe",   "prototypes", "centers",     "centroids",
       "codevectors", "anchors",  "pos",     "position",   "positions",   "positional",
       "xyz",         "const",    "memory",  "mem",        "transitions", "points",
       "features",    "rotation", "scaling", "opacity"});
  return has_any(words, tokens);
}

bool says_kind_of_embedding(const Words& words) {
  constexpr auto kinds =
      to_array<std::string_view>({"word", "words", "tok", "token", "tokens", "char", "chars", "pos",
                                  "position", "positions", "type", "segment", "user", "item"});
  return has_any(words, kinds);
}

bool says_relative_position(const Words& words) {
  constexpr std::array<std::string_view, 2> relative{"relative", "rel"};
  constexpr auto position = to_array<std::string_view>(
      {"bias", "biases", "pos", "position", "positional", "key", "k", "v", "h", "w"});
  return has_any(words, relative) && (has_any(words, position) || says_embedding(words));
}

bool says_projection(const Words& words) { return has_any(words, projection_words); }

bool says_matrix(const Words& words) {
  constexpr auto last = to_array<std::string_view>({"project",    "projector",
                                                    "linears",    "conv",
                                                    "mapping",    "adapter",
                                                    "up",         "down",
                                                    "gate",       "in",
                                                    "out",        "transform",
                                                    "query",      "key",
                                                    "value",      "keys",
                                                    "values",     "q",
                                                    "k",          "v",
                                                    "o",          "qkv",
                                                    "kv",         "wq",
                                                    "wk",         "wv",
                                                    "wo",         "wqkv",
                                                    "w",          "wi",
                                                    "ff",         "ffn",
                                                    "attn",       "intermediate",
                                                    "receptance", "hidden",
                                                    "pooler",     "reduction",
                                                    "experts",    "i",
                                                    "h",          "l",
                                                    "compress",   "expand",
                                                    "layer",      "layers",
                                                    "net",        "output",
                                                    "affine"});
  constexpr std::array<std::string_view, 3> first{"to", "w", "conv"};
  if (words.empty()) return false;
  return says_projection(words) || contains(last, words.back()) || contains(first, words.front());
}

HeadName head_name(std::string_view layer) {
  constexpr std::array<std::string_view, 3> whole{"lm_head", "lm_heads", "embed_out"};
  constexpr std::array<std::string_view, 4> last{"head", "logits", "unembed", "unembedding"};
  const Words words = words_of(layer);
  if (words.empty()) return HeadName::none;
  if (contains(whole, layer) || contains(last, words.back())) return HeadName::certain;
  if (is_ambiguous(layer, words)) return HeadName::ambiguous;
  return is_usual(layer, words) ? HeadName::usual : HeadName::none;
}

bool says_bias(std::string_view local) {
  constexpr std::array<std::string_view, 2> words{"bias", "biases"};
  constexpr std::array<std::string_view, 5> whole{"b", "beta", "b1", "b2", "b3"};
  return contains(whole, local) || local.starts_with("bias") || local.ends_with("bias") ||
         has_any(words_of(local), words);
}

bool says_gain(std::string_view local) {
  constexpr auto last =
      to_array<std::string_view>({"gamma", "gain", "gains", "scale", "scales", "alpha", "lambda",
                                  "lambdas", "temperature", "magnitude", "g"});
  const Words words = words_of(local);
  return !words.empty() && contains(last, words.back());
}

bool says_state_space(std::string_view local) {
  constexpr auto whole = to_array<std::string_view>({"A", "B", "C", "D", "dt", "inv_dt"});
  return contains(whole, local) || local.starts_with("A_") || local.starts_with("log_") ||
         local.ends_with("_log") || local.starts_with("Lambda") ||
         (local.starts_with("time_") && !is_bare_matrix(local));
}

bool is_bare_matrix(std::string_view local) {
  constexpr auto last = to_array<std::string_view>(
      {"proj", "projection", "project", "kernel", "matrix", "linear", "weight"});
  constexpr auto whole =
      to_array<std::string_view>({"q", "k", "v", "o", "r", "w1", "w2", "w3", "W", "U", "V", "root",
                                  "wq", "wk", "wv", "wo", "qkv", "c_q"});
  const Words words = words_of(local);
  if (contains(whole, local) || (!words.empty() && contains(last, words.back()))) return true;
  const bool low_rank = ends_in_digit(local) && stem(local).ends_with("_w");  // time_maa_w1
  return low_rank || (local.size() == 3 && (local.starts_with("W_") || local.starts_with("w_")));
}

}  // namespace muon
