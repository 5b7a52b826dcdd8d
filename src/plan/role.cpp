#include "role.hpp"

#include "name_words.hpp"
#include "shape_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace muon {
namespace {

bool is_linear(std::string_view owner) { return owner == "Linear"; }

bool is_convolution(std::string_view owner) {
  constexpr std::array<std::string_view, 6> types{"Conv1d",          "Conv2d",          "Conv3d",
                                                  "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"};
  return contains(types, owner);
}

bool is_transposed_convolution(std::string_view owner) { return is_convolution(owner) && owner.starts_with("ConvTranspose"); }

bool is_recurrent(std::string_view owner) {
  constexpr std::array<std::string_view, 6> types{"LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell"};
  return contains(types, owner);
}

bool is_normalization(std::string_view owner) {  // LayerNorm, BatchNorm2d, and a user's RMSNorm
  return owner.ends_with("Norm") || owner.ends_with("Norm1d") || owner.ends_with("Norm2d") || owner.ends_with("Norm3d");
}

bool is_embedding(std::string_view owner) { return owner == "Embedding" || owner == "EmbeddingBag"; }

// ---- one parameter ----

struct Verdict {
  Role role;
  Evidence evidence;
  std::string reason;
};

/// What the owner's type says; an unknown type says nothing.
bool by_type(const Registration& entry, Verdict& verdict) {
  const std::string_view owner = entry.owner;
  const std::string_view local = local_name(entry.name);
  const auto decide = [&](Role role) {
    verdict = {role, Evidence::module_type, fmt::format("module type: {} of {}", local, owner)};
    return true;
  };
  if (is_embedding(owner)) return decide(Role::embedding);
  if (is_normalization(owner)) return decide(says_bias(local) ? Role::bias : Role::gain);
  const bool matrices = is_linear(owner) || is_recurrent(owner) || owner == "Bilinear" || owner == "MultiheadAttention";
  if (!matrices && !is_convolution(owner)) return false;
  if (says_bias(local)) return decide(Role::bias);
  return decide(matrices ? Role::hidden_matrix : Role::convolution);
}

Verdict by_name_or_shape(const Registration& entry) {
  const std::string_view local = local_name(entry.name);
  const auto named = [&](Role role) { return Verdict{role, Evidence::name, fmt::format("name: '{}'", entry.name)}; };
  const bool is_head = entry.shape.size() == 2 && says_head(entry.name, entry.ends_sequence);
  if (says_embedding(entry.name) && !is_head) return named(Role::embedding);
  if (entry.shape.size() < 2) {
    if (says_bias(local)) return named(Role::bias);
    if (says_gain(local)) return named(Role::gain);
    return {Role::other, Evidence::shape, fmt::format("shape only: {}", shape_text(entry.shape))};
  }
  if (is_head) return named(Role::output_head);
  const Role role = entry.shape.size() > 3 ? Role::convolution : Role::hidden_matrix;
  return {role, Evidence::shape, fmt::format("shape only: {}", shape_text(entry.shape))};
}

using Paths = std::unordered_set<std::string_view>;

/// "value" is a critic's head, and beside "key" an attention's projection.
bool is_value_projection(std::string_view name, const Paths& owners) {
  const std::string_view path = owner_path(name);
  if (local_name(path) != "value") return false;
  const std::string parent(path.substr(0, path.size() - 5));
  return owners.count(parent + "key") > 0 || owners.count(parent + "query") > 0;
}

Verdict verdict_of(const Registration& entry, const Paths& owners) {
  Verdict verdict{};
  if (!by_type(entry, verdict)) return by_name_or_shape(entry);
  if (is_value_projection(entry.name, owners)) return verdict;
  // a Linear's type does not tell a head from a hidden matrix; its name may
  if (verdict.role == Role::hidden_matrix && is_linear(entry.owner) && says_head(entry.name, entry.ends_sequence)) {
    return {Role::output_head, Evidence::name, fmt::format("name: '{}'", entry.name)};
  }
  return verdict;
}

MatrixView view_of(const Registration& entry) {
  const std::string_view local = local_name(entry.name);
  const std::size_t dims = entry.shape.size();
  if (dims < 2) return {};
  if (is_transposed_convolution(entry.owner)) {  // stored [in, out / groups, kernel ..]
    const MatrixView view = entry.groups > 1 ? MatrixView::flatten().heads(entry.groups) : MatrixView::flatten();
    return view.transposed();
  }
  if (is_convolution(entry.owner)) return entry.groups > 1 ? MatrixView::flatten().heads(entry.groups) : MatrixView::flatten();
  if (dims == 2) {
    if (entry.owner == "MultiheadAttention" && local == "in_proj_weight") return MatrixView::matrix().heads(3);
    const bool gates = local.starts_with("weight_ih") || local.starts_with("weight_hh");
    if (gates && entry.owner.starts_with("LSTM")) return MatrixView::matrix().heads(4);
    if (gates && entry.owner.starts_with("GRU")) return MatrixView::matrix().heads(3);
    return MatrixView::matrix();
  }
  return dims == 3 ? MatrixView::stack() : MatrixView::flatten();
}

// ---- the whole model ----

/// Several names of one tensor: the table of an embedding if one of them is, else what the first says. Tells whether the tie is
/// that of an embedding with the head.
bool settle_tie(Parameter& parameter, const std::vector<Verdict>& verdicts) {
  const auto is_embedding = [](const Verdict& v) { return v.role == Role::embedding; };
  if (std::none_of(verdicts.begin(), verdicts.end(), is_embedding)) return false;
  parameter.role = Role::embedding;
  parameter.evidence = Evidence::tie;
  parameter.reason = fmt::format("tie: also {}", fmt::join(parameter.aliases, ", "));
  return !std::all_of(verdicts.begin(), verdicts.end(), is_embedding);
}

/// Does the name have a twin of the same shape in another numbered block? `layers.3.fc.weight` and `layers.0.fc.weight`.
bool repeats(const Parameter& parameter, const std::vector<Parameter>& all) {
  const auto mine = components(owner_path(parameter.name));
  return std::any_of(all.begin(), all.end(), [&](const Parameter& other) {
    if (&other == &parameter || other.shape != parameter.shape) return false;
    if (local_name(other.name) != local_name(parameter.name)) return false;
    const auto theirs = components(owner_path(other.name));
    if (theirs.size() != mine.size()) return false;
    for (std::size_t i = 0; i < mine.size(); ++i) {
      const bool block_number =
          i + 1 < mine.size() && ends_in_digit(mine[i]) && ends_in_digit(theirs[i]) && stem(mine[i]) == stem(theirs[i]);
      if (mine[i] != theirs[i] && !block_number) return false;
    }
    return true;
  });
}

/// The output projection of a MultiheadAttention, whatever the module is called.
bool inside_attention(const Parameter& parameter, const std::vector<Parameter>& all) {
  const std::string_view parent = owner_path(owner_path(parameter.name));
  return says_attention(parameter.name) || std::any_of(all.begin(), all.end(), [&](const Parameter& other) {
           return other.owner == "MultiheadAttention" && owner_path(other.name) == parent;
         });
}

bool is_hidden(const Parameter& p) { return p.role == Role::hidden_matrix || p.role == Role::convolution; }

void mark(Parameter& parameter, const std::string& doubt) {
  parameter.guess = true;
  parameter.reason += doubt;
}

/// Without a head by tie or name, the last layer of the model is one if it is a Linear outside attention and repeated blocks.
void find_head_by_position(std::vector<Parameter>& parameters, bool tied_head) {
  const bool known = tied_head || std::any_of(parameters.begin(), parameters.end(),
                                              [](const Parameter& p) { return p.role == Role::output_head; });
  const auto last = std::find_if(parameters.rbegin(), parameters.rend(),
                                 [](const Parameter& p) { return is_hidden(p) || p.role == Role::output_head; });
  if (last == parameters.rend() || last->role == Role::output_head) return;
  if (inside_attention(*last, parameters) || repeats(*last, parameters)) return;
  if (known) {
    if (is_linear(last->owner)) mark(*last, "; the last Linear: another head?");
    return;
  }
  if (is_convolution(last->owner)) return mark(*last, "; the last layer of the model: an output?");
  if (!is_linear(last->owner)) return;
  last->role = Role::output_head;
  last->evidence = Evidence::position;
  last->reason = "position only: the last Linear";
}

/// An actor and a critic: a Linear with nothing behind it in its Sequential may be one more head.
void mark_other_ends(std::vector<Parameter>& parameters, const std::vector<bool>& ends_sequence) {
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    Parameter& p = parameters[i];
    if (!p.guess && ends_sequence[i] && is_linear(p.owner) && p.role == Role::hidden_matrix && !repeats(p, parameters)) {
      mark(p, fmt::format("; it ends '{}': a head?", owner_path(owner_path(p.name))));
    }
  }
}

}  // namespace

std::vector<Parameter> assign_roles(const std::vector<Registration>& registrations) {
  std::vector<Parameter> parameters;
  std::vector<std::vector<Verdict>> verdicts;
  std::vector<bool> ends_sequence;
  std::unordered_map<const c10::TensorImpl*, std::size_t> seen;
  Paths owners;
  for (const Registration& entry : registrations) owners.insert(owner_path(entry.name));
  for (const Registration& entry : registrations) {
    Verdict verdict = verdict_of(entry, owners);
    if (entry.tensor.defined()) {
      const auto [known, is_new] = seen.emplace(entry.tensor.unsafeGetTensorImpl(), parameters.size());
      if (!is_new) {
        parameters[known->second].aliases.push_back(entry.name);
        verdicts[known->second].push_back(std::move(verdict));
        continue;
      }
    }
    Parameter parameter;
    parameter.name = entry.name;
    parameter.tensor = entry.tensor;
    parameter.shape = entry.shape;
    parameter.owner = entry.owner;
    parameter.groups = entry.groups;
    parameter.role = verdict.role;
    parameter.evidence = verdict.evidence;
    parameter.reason = verdict.reason;
    parameter.view = view_of(entry);
    parameters.push_back(std::move(parameter));
    ends_sequence.push_back(entry.ends_sequence);
    verdicts.push_back({std::move(verdict)});
  }
  bool tied_head = false;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (!parameters[i].aliases.empty() && settle_tie(parameters[i], verdicts[i])) tied_head = true;
  }
  find_head_by_position(parameters, tied_head);
  mark_other_ends(parameters, ends_sequence);
  for (Parameter& p : parameters) {
    // nothing but its place, or for a matrix its shape, says what it is for
    p.guess = p.guess || p.evidence == Evidence::position || (p.evidence == Evidence::shape && p.shape.size() >= 2);
  }
  return parameters;
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
