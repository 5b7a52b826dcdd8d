#include "plan/role.hpp"

#include "plan/fused.hpp"
#include "plan/name_patterns.hpp"
#include "matrix/shape_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace muon {
namespace {

bool is_linear(std::string_view module_type) { return module_type == "Linear"; }

bool is_convolution(std::string_view module_type) {
  constexpr std::array<std::string_view, 6> types{
      "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"};
  return contains(types, module_type);
}

bool is_transposed_convolution(std::string_view module_type) {
  return is_convolution(module_type) && module_type.starts_with("ConvTranspose");
}

bool is_recurrent(std::string_view module_type) {
  constexpr std::array<std::string_view, 6> types{"LSTM",     "GRU",     "RNN",
                                                  "LSTMCell", "GRUCell", "RNNCell"};
  return contains(types, module_type);
}

// LayerNorm, BatchNorm2d, and a user's RMSNorm
bool is_normalization(std::string_view module_type) {
  return module_type.ends_with("Norm") || module_type.ends_with("Norm1d") ||
         module_type.ends_with("Norm2d") || module_type.ends_with("Norm3d");
}

bool is_embedding(std::string_view module_type) {
  return module_type == "Embedding" || module_type == "EmbeddingBag";
}

// ---- one parameter ----

struct Classification {
  Role role;
  Evidence evidence;
  std::string reason;
};

/// The role that follows from the module's type; none from a type that is not known.
std::optional<Classification> by_type(const Registration& entry) {
  const std::string_view module_type = entry.module_type;
  const std::string_view local = local_name(entry.name);
  const auto decide = [&](Role role) {
    return Classification{role, Evidence::module_type,
                          fmt::format("module type: {} of {}", local, module_type)};
  };
  if (is_embedding(module_type)) return decide(Role::embedding);
  if (is_normalization(module_type)) return decide(is_bias_name(local) ? Role::bias : Role::gain);
  const bool matrices = is_linear(module_type) || is_recurrent(module_type) ||
                        module_type == "Bilinear" || module_type == "MultiheadAttention";
  if (!matrices && !is_convolution(module_type)) return std::nullopt;
  if (is_bias_name(local)) return decide(Role::bias);
  return decide(matrices ? Role::hidden_matrix : Role::convolution);
}

Classification by_name_or_shape(const Registration& entry) {
  const std::string_view local = local_name(entry.name);
  const auto named = [&](Role role) {
    return Classification{role, Evidence::name, fmt::format("name: '{}'", entry.name)};
  };
  const bool is_head = entry.shape.size() == 2 && is_head_name(entry.name, entry.ends_sequence);
  if (is_embedding_name(entry.name) && !is_head) return named(Role::embedding);
  if (entry.shape.size() < 2) {
    if (is_bias_name(local)) return named(Role::bias);
    if (is_gain_name(local)) return named(Role::gain);
    return {Role::other, Evidence::shape, fmt::format("shape only: {}", shape_text(entry.shape))};
  }
  if (is_head) return named(Role::output_head);
  const Role role = entry.shape.size() > 3 ? Role::convolution : Role::hidden_matrix;
  return {role, Evidence::shape, fmt::format("shape only: {}", shape_text(entry.shape))};
}

using Paths = std::unordered_set<std::string_view>;

/// A layer called "value" is a critic's head, except beside a "key" or a "query", where it is an
/// attention's projection.
bool is_value_projection(std::string_view name, const Paths& owners) {
  const std::string_view path = owner_path(name);
  if (local_name(path) != "value") return false;
  const std::string parent(path.substr(0, path.size() - 5));
  return owners.count(parent + "key") > 0 || owners.count(parent + "query") > 0;
}

Classification classify(const Registration& entry, const Paths& owners) {
  const std::optional<Classification> classification = by_type(entry);
  if (!classification) return by_name_or_shape(entry);
  if (is_value_projection(entry.name, owners)) return *classification;
  // the type Linear does not distinguish a head from a hidden matrix; the name may
  if (classification->role == Role::hidden_matrix && is_linear(entry.module_type) &&
      is_head_name(entry.name, entry.ends_sequence)) {
    return {Role::output_head, Evidence::name, fmt::format("name: '{}'", entry.name)};
  }
  return *classification;
}

/// `count` row blocks, if that many fit; a class of the user's may share no more than a name with
/// one of LibTorch's.
MatrixView chunked(const MatrixView& view, std::int64_t count, std::int64_t rows) {
  return count > 1 && rows > 0 && rows % count == 0 ? view.chunk_rows(count) : view;
}

MatrixView view_of(const Registration& entry) {
  const std::string_view local = local_name(entry.name);
  const std::size_t dims = entry.shape.size();
  if (dims < 2) return {};
  const std::int64_t rows = entry.shape.front();
  if (is_convolution(entry.module_type)) {
    const MatrixView view = chunked(MatrixView::flatten(), entry.groups, rows);
    // [in, out / groups, kernel ..]
    return is_transposed_convolution(entry.module_type) ? view.transposed() : view;
  }
  if (dims == 2) {
    if (entry.module_type == "MultiheadAttention" && local == "in_proj_weight")
      return chunked(MatrixView::matrix(), 3, rows);
    const bool gates = local.starts_with("weight_ih") || local.starts_with("weight_hh");
    if (gates && entry.module_type.starts_with("LSTM"))
      return chunked(MatrixView::matrix(), 4, rows);
    if (gates && entry.module_type.starts_with("GRU"))
      return chunked(MatrixView::matrix(), 3, rows);
    return MatrixView::matrix();
  }
  return dims == 3 ? MatrixView::stack() : MatrixView::flatten();
}

// ---- the whole model ----

/// The role of a tensor with several names: an embedding's table if one of them is that of an
/// embedding, else the role of the first name. Returns whether an embedding is tied to something
/// else, which is the head.
bool settle_tie(Parameter& parameter, const std::vector<Classification>& classifications) {
  const auto is_embedding = [](const Classification& c) { return c.role == Role::embedding; };
  if (std::none_of(classifications.begin(), classifications.end(), is_embedding)) return false;
  parameter.role = Role::embedding;
  parameter.evidence = Evidence::tie;
  parameter.reason = fmt::format("tie: also {}", fmt::join(parameter.aliases, ", "));
  return !std::all_of(classifications.begin(), classifications.end(), is_embedding);
}

/// Whether another numbered block has a parameter of the same name and shape: `layers.3.fc.weight`
/// and `layers.0.fc.weight`.
bool repeats(const Parameter& parameter, const std::vector<Parameter>& all) {
  const auto mine = components(owner_path(parameter.name));
  return std::any_of(all.begin(), all.end(), [&](const Parameter& other) {
    if (&other == &parameter || other.shape != parameter.shape) return false;
    if (local_name(other.name) != local_name(parameter.name)) return false;
    const auto theirs = components(owner_path(other.name));
    if (theirs.size() != mine.size()) return false;
    for (std::size_t i = 0; i < mine.size(); ++i) {
      const bool block_number = i + 1 < mine.size() && ends_in_digit(mine[i]) &&
                                ends_in_digit(theirs[i]) && stem(mine[i]) == stem(theirs[i]);
      if (mine[i] != theirs[i] && !block_number) return false;
    }
    return true;
  });
}

/// Whether the parameter belongs to an attention: by its name or its path's, or because it lies
/// beside a MultiheadAttention's own parameters, such as that module's output projection.
bool inside_attention(const Parameter& parameter, const std::vector<Parameter>& all) {
  const std::string_view parent = owner_path(owner_path(parameter.name));
  return is_attention_name(parameter.name) || is_fused_attention_name(parameter.name) ||
         std::any_of(all.begin(), all.end(), [&](const Parameter& other) {
           return other.module_type == "MultiheadAttention" && owner_path(other.name) == parent;
         });
}

bool is_hidden(const Parameter& p) {
  return has_values(p) && (p.role == Role::hidden_matrix || p.role == Role::convolution);
}

/// `doubt` is added to the reason.
void flag_low_confidence(Parameter& parameter, const std::string& doubt) {
  parameter.low_confidence = true;
  parameter.reason += doubt;
}

/// Without a head by tie or name, the last layer of the model is one if it is a Linear outside
/// attention and repeated blocks.
void find_head_by_position(std::vector<Parameter>& parameters, bool tied_head) {
  const bool known =
      tied_head || std::any_of(parameters.begin(), parameters.end(),
                               [](const Parameter& p) { return p.role == Role::output_head; });
  const auto last = std::find_if(parameters.rbegin(), parameters.rend(), [](const Parameter& p) {
    return is_hidden(p) || p.role == Role::output_head;
  });
  if (last == parameters.rend() || last->role == Role::output_head) return;
  if (inside_attention(*last, parameters) || repeats(*last, parameters)) return;
  if (known) {
    if (is_linear(last->module_type))
      flag_low_confidence(*last, "; the last Linear: another head?");
    return;
  }
  if (is_convolution(last->module_type))
    return flag_low_confidence(*last, "; the last layer of the model: an output?");
  if (!is_linear(last->module_type)) return;
  last->role = Role::output_head;
  last->evidence = Evidence::position;
  last->reason = "position only: the last Linear";
}

/// A Linear with nothing behind it in its Sequential may be one more head, as in a network of an
/// actor and a critic.
void mark_other_ends(std::vector<Parameter>& parameters, const std::vector<bool>& ends_sequence) {
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    Parameter& p = parameters[i];
    if (!p.low_confidence && ends_sequence[i] && is_linear(p.module_type) &&
        p.role == Role::hidden_matrix && has_values(p) && !repeats(p, parameters)) {
      flag_low_confidence(p,
                          fmt::format("; it ends '{}': a head?", owner_path(owner_path(p.name))));
    }
  }
}

}  // namespace

std::vector<Parameter> assign_roles(const std::vector<Registration>& registrations) {
  std::vector<Parameter> parameters;
  std::vector<std::vector<Classification>> classifications;
  std::vector<bool> ends_sequence;
  std::unordered_map<const void*, std::size_t> seen;
  Paths owners;
  for (const Registration& entry : registrations) owners.insert(owner_path(entry.name));
  for (const Registration& entry : registrations) {
    Classification classification = classify(entry, owners);
    if (entry.identity != nullptr) {
      const auto [known, is_new] = seen.emplace(entry.identity, parameters.size());
      if (!is_new) {
        parameters[known->second].aliases.push_back(entry.name);
        classifications[known->second].push_back(std::move(classification));
        continue;
      }
    }
    Parameter parameter;
    parameter.name = entry.name;
    parameter.tensor = entry.tensor;
    parameter.shape = entry.shape;
    parameter.module_type = entry.module_type;
    parameter.groups = entry.groups;
    parameter.role = classification.role;
    parameter.evidence = classification.evidence;
    parameter.reason = classification.reason;
    parameter.view = view_of(entry);
    parameters.push_back(std::move(parameter));
    ends_sequence.push_back(entry.ends_sequence);
    classifications.push_back({std::move(classification)});
  }
  bool tied_head = false;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (!parameters[i].aliases.empty() && settle_tie(parameters[i], classifications[i]))
      tied_head = true;
  }
  find_head_by_position(parameters, tied_head);
  mark_other_ends(parameters, ends_sequence);
  for (Parameter& p : parameters) split_fused(p);
  for (Parameter& p : parameters) {
    const bool weak =
        p.evidence == Evidence::position || (p.evidence == Evidence::shape && p.shape.size() >= 2);
    p.low_confidence = has_values(p) && (p.low_confidence || weak);
  }
  return parameters;
}

bool has_values(const Parameter& parameter) {
  return std::find(parameter.shape.begin(), parameter.shape.end(), 0) == parameter.shape.end();
}

std::string_view to_string(Role role) {
  switch (role) {
    case Role::embedding: return "embedding";
    case Role::output_head: return "output head";
    case Role::hidden_matrix: return "hidden matrix";
    case Role::convolution: return "convolution";
    case Role::bias: return "bias";
    case Role::gain: return "gain";
    case Role::other: break;
  }
  return "other";
}

std::string_view to_string(Evidence evidence) {
  switch (evidence) {
    case Evidence::tie: return "tie";
    case Evidence::module_type: return "module type";
    case Evidence::name: return "name";
    case Evidence::position: return "position";
    case Evidence::shape: break;
  }
  return "shape";
}

}  // namespace muon
