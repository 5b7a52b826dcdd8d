#include "plan/role_by_name.hpp"

#include "matrix/shape_text.hpp"
#include "plan/name_words.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

namespace muon {
namespace {

class RoleByName {
 public:
  RoleByName(const NameParts& name, const std::vector<std::int64_t>& shape, const ModelNames& model)
      : name_(name), shape_(shape), model_(model) {}

  Classification find() const {
    const bool empty = std::find(shape_.begin(), shape_.end(), 0) != shape_.end();
    if (shape_.size() < 2 || empty) return vector();
    if (const auto found = vectors()) return *found;
    if (const auto found = bare_table()) return *found;
    if (shape_.size() > 3) return kernel();
    if (shape_.size() == 3) return three_dimensional();
    if (const auto found = table()) return *found;
    return matrix();
  }

 private:
  using Maybe = std::optional<Classification>;

  Classification named(Role role, const std::string& more = "", const std::string& doubt = "",
                       bool in_embedding = false) const {
    const std::string& word = name_.layer.empty() ? name_.local : name_.layer;
    return {role, Evidence::name, fmt::format("name: '{}'{}{}", word, more, doubt), !doubt.empty(),
            in_embedding};
  }

  Classification by_shape(Role role) const {
    return {role, Evidence::shape, fmt::format("shape only: {}", shape_text(shape_)), false, false};
  }

  /// The type of the module is not known, so a gain is one by its own name.
  Classification vector() const {
    constexpr std::array<std::string_view, 5> gains{"weight", "gain", "gamma", "scale", "g"};
    const auto local = [&](Role role) {
      return Classification{role, Evidence::name, fmt::format("name: '{}'", name_.local), false,
                            false};
    };
    if (says_bias(name_.local)) return local(Role::bias);
    const bool embedding =
        says_embedding(name_.words) ||
        std::any_of(name_.around.begin(), name_.around.end(),
                    [](const std::string& module) { return says_embedding(words_of(module)); });
    if (embedding) return named(Role::embedding);
    return contains(gains, name_.local) ? local(Role::gain) : by_shape(Role::other);
  }

  /// Vectors for each head, expert or channel, which look like matrices.
  Maybe vectors() const {
    if (says_relative_position(name_.words))
      return named(Role::embedding, ", a table of relative positions");
    if (says_bias(name_.local)) {
      return named(Role::bias, shape_.size() == 2
                                   ? fmt::format(", {} vectors of {}", shape_[0], shape_[1])
                                   : "");
    }
    if (!name_.bare && says_normalization(name_.words))
      return named(Role::gain, ", gains of a normalization");
    if (name_.local == "weight_g" || (name_.bare && says_gain(name_.local)))
      return named(Role::gain);
    if (name_.bare && says_state_space(name_.local))
      return named(Role::other, ", a parameter of a state space or a decay");
    constexpr std::array<std::string_view, 2> biases{"bias", "biases"};
    if (!name_.bare && has_any(name_.words, biases))
      return named(Role::embedding, ", a table of biases");
    return std::nullopt;
  }

  Maybe bare_table() const {
    if (!name_.bare || is_bare_matrix(name_.local)) return std::nullopt;
    if (says_embedding(name_.words)) return named(Role::embedding);
    if (says_token(name_.words)) return named(Role::embedding, ", learned tokens or positions");
    // RWKV's r_k [12, 64] in a model 768 wide
    if (shape_.size() == 2 && name_.in_block && model_.is_vector_size(shape_[0] * shape_[1])) {
      return named(Role::gain, fmt::format(", {} x {} values are as many as the model is wide: a "
                                           "vector cut by heads",
                                           shape_[0], shape_[1]));
    }
    return std::nullopt;
  }

  // ---- convolutions and stacks ----

  bool among_embeddings() const {
    const auto is = [](const Words& words) { return says_embedding(words); };
    const std::vector<Words> around = embedding_around();
    return says_table(name_.words) || std::any_of(around.begin(), around.end(), is);
  }

  bool says_convolution() const {
    const auto is = [](const std::string& word) { return word.find("conv") != std::string::npos; };
    const auto any = [&](const Words& words) {
      return std::any_of(words.begin(), words.end(), is);
    };
    const auto around = [&](const std::string& module) {
      return module == "downsample" || any(words_of(module));
    };
    return name_.local == "weight_v" || name_.layer == "downsample" || any(name_.words) ||
           std::any_of(name_.around.begin(), name_.around.end(), around);
  }

  Classification convolution() const {
    return named(
        Role::convolution, "",
        shape_[1] == 1 ? "; one input channel: depthwise, or the first of a grey image" : "");
  }

  Classification kernel() const {
    if (among_embeddings()) return named(Role::embedding);
    return says_convolution() ? convolution() : by_shape(Role::convolution);
  }

  bool is_experts() const {
    const auto is = [](const std::string& module) {
      return module == "experts" || module == "expert";
    };
    return is(name_.layer) || std::any_of(name_.around.begin(), name_.around.end(), is);
  }

  Classification three_dimensional() const {
    if (is_experts()) {
      return named(Role::hidden_matrix, ", a stack of experts",
                   "; rows may be its inputs: see MatrixView::transposed");
    }
    if (name_.bare) return by_shape(Role::hidden_matrix);
    if (shape_[2] == 1) return convolution();
    // a graph network's relations: [relations, inputs, outputs]
    if (says_convolution() && shape_[1] != shape_[2]) return convolution();
    if (!says_convolution()) {
      const bool kernel = shape_[2] < 16 && shape_[2] < shape_[1];
      return by_shape(kernel ? Role::convolution : Role::hidden_matrix);
    }
    return named(
        Role::hidden_matrix, "",
        fmt::format("; {} matrices of {}x{}, or a convolution?", shape_[0], shape_[1], shape_[2]));
  }

  // ---- tables ----

  /// The modules around that are called an embedding, or an embedder, which is a network.
  std::vector<Words> embedding_around() const {
    constexpr std::array<std::string_view, 1> network{"embedder"};
    std::vector<Words> found;
    for (const std::string& module : name_.around) {
      const Words words = words_of(module);
      if (says_embedding(words) || has_any(words, network)) found.push_back(words);
    }
    return found;
  }

  Maybe table() const {
    if (name_.bare) return std::nullopt;
    const Words& words = name_.words;
    const bool head = head_name(name_.layer) == HeadName::certain;
    if (says_table(words) && !head) return table_or_network();
    if (says_embedding(words) && !head) return named(Role::hidden_matrix);
    constexpr std::array<std::string_view, 5> content{"feat", "feats", "feature", "features",
                                                      "content"};
    constexpr auto tokens = std::to_array<std::string_view>(
        {"token", "tokens", "queries", "latents", "prototypes", "pos", "position", "positions"});
    const bool is_token = !words.empty() && contains(tokens, words.back());
    const bool is_query =
        words.size() > 1 && words.front() == "query" && contains(content, words.back());
    if ((is_token && !says_projection(words)) || is_query)
      return named(Role::embedding, ", learned tokens or positions");
    if (name_.layer == "shared" && !name_.in_block) return named(Role::embedding);
    return below_embedding();
  }

  /// In a list each element is a table; the elements of a Sequential are the layers of a network.
  Classification table_or_network() const {
    const char* const network = "; a layer of what is called an embedding";
    if (model_.has_bias(name_)) return named(Role::hidden_matrix, " with a bias", network, true);
    const bool tall = shape_[0] / 8 >= shape_[1] && !model_.is_width(shape_[0]);
    const bool layers = name_.in_block &&
                        has_any(name_.words, std::to_array<std::string_view>({"layer", "layers"}));
    const bool list = says_tables(name_.words) || model_.is_dense_list(name_);
    if (name_.in_list && !tall && (!list || layers))
      return named(Role::hidden_matrix, "", network, true);
    return named(Role::embedding);
  }

  Maybe below_embedding() const {
    const std::vector<Words> around = embedding_around();
    if (around.empty()) return std::nullopt;
    constexpr std::array<std::string_view, 4> containers{"bags", "list", "dict", "collection"};
    const auto any = [&](const auto& is) { return std::any_of(around.begin(), around.end(), is); };
    const bool matrix = says_matrix(name_.words);
    if (says_kind_of_embedding(name_.words) && !says_projection(name_.words))
      return named(Role::embedding);
    if (any([&](const Words& words) { return has_any(words, containers); }))
      return named(Role::embedding, ", in a list of embeddings");
    const bool element = !matrix && !name_.layer.empty() && !name_.in_block;
    if (element && any([](const Words& words) { return says_tables(words); }))
      return named(Role::embedding, ", in a list of embeddings");
    return named(Role::hidden_matrix, "", "; part of what is called an embedding", true);
  }

  // ---- hidden matrices ----

  bool is_router() const {
    const auto is = [](const std::string& module) { return module == "router"; };
    return has_any(name_.words, std::to_array<std::string_view>({"router"})) ||
           std::any_of(name_.around.begin(), name_.around.end(), is) ||
           (name_.layer == "gate" && shape_[0] <= 1024 && shape_[0] < shape_[1]);
  }

  Classification matrix() const {
    const std::string& local = name_.local;
    if (local.starts_with("weight_ih") || local.starts_with("weight_hh"))
      return named(Role::hidden_matrix, ", of a recurrent network");
    if (is_router()) return named(Role::hidden_matrix, "", "; a router: some keep it under AdamW");
    if (name_.bare && !is_bare_matrix(local)) return by_shape(Role::hidden_matrix);
    if (name_.bare || says_matrix(name_.words)) return named(Role::hidden_matrix);
    return by_shape(Role::hidden_matrix);
  }

  const NameParts& name_;
  const std::vector<std::int64_t>& shape_;
  const ModelNames& model_;
};

std::string owner_of_text(const NameParts& name) { return std::string(owner_path(name.text)); }

}  // namespace

void ModelNames::add(const NameParts& name, const std::vector<std::int64_t>& shape) {
  if (shape.size() == 1) {
    if (name.local == "bias") owners_of_bias_.insert(owner_of_text(name));
    vector_sizes_.insert(shape[0]);
    widths_.insert(shape[0]);
  }
  if (shape.size() == 2 && !name.bare) widths_.insert(shape[1]);
  if (name.in_list) places_[name.sequence + " " + name.local].insert(name.numbers);
}

bool ModelNames::has_bias(const NameParts& name) const {
  return owners_of_bias_.count(owner_of_text(name)) > 0;
}

bool ModelNames::is_dense_list(const NameParts& name) const {
  const auto found = places_.find(name.sequence + " " + name.local);
  if (!name.in_list || found == places_.end()) return false;
  // the places are in no order of numbers, so look for 0 and 1, with which every list begins
  std::vector<std::string> first = name.numbers, second = name.numbers;
  first.back() = "0";
  second.back() = "1";
  return found->second.count(first) > 0 && found->second.count(second) > 0;
}

Classification role_by_name(const NameParts& name, const std::vector<std::int64_t>& shape,
                            const ModelNames& model) {
  return RoleByName(name, shape, model).find();
}

}  // namespace muon
