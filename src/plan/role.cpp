#include "plan/role.hpp"

#include "plan/entry.hpp"
#include "plan/enum_names.hpp"
#include "plan/heads.hpp"
#include "plan/name_words.hpp"
#include "plan/role_by_name.hpp"
#include "plan/views.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_map>
#include <utility>

namespace muon {
namespace {

bool is_convolution_type(std::string_view module_type) {
  constexpr std::array<std::string_view, 6> types{
      "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"};
  return contains(types, module_type);
}

/// Modules whose weights are matrices.
bool holds_matrices(std::string_view module_type) {
  constexpr auto types =
      std::to_array<std::string_view>({"Linear", "LSTM", "GRU", "RNN", "LSTMCell", "GRUCell",
                                       "RNNCell", "Bilinear", "MultiheadAttention"});
  return contains(types, module_type);
}

// LayerNorm, BatchNorm2d, and a user's RMSNorm
bool is_normalization(std::string_view module_type) {
  return module_type.ends_with("Norm") || module_type.ends_with("Norm1d") ||
         module_type.ends_with("Norm2d") || module_type.ends_with("Norm3d");
}

/// The role that follows from the module's type; none from a type that is not known.
std::optional<Classification> role_by_type(const Registration& entry, const NameParts& name) {
  const std::string_view module_type = entry.module_type;
  const auto decide = [&](Role role) {
    return Classification{role, Evidence::module_type,
                          fmt::format("module type: {} of {}", name.local, module_type), false,
                          false};
  };
  if (module_type == "Embedding" || module_type == "EmbeddingBag") return decide(Role::embedding);
  const bool bias = says_bias(name.local);
  if (is_normalization(module_type)) return decide(bias ? Role::bias : Role::gain);
  if (!holds_matrices(module_type) && !is_convolution_type(module_type)) return std::nullopt;
  if (bias) return decide(Role::bias);
  return decide(is_convolution_type(module_type) ? Role::convolution : Role::hidden_matrix);
}

/// Joins the registrations of each tensor, and sorts out ties.
class Joiner {
 public:
  explicit Joiner(const std::vector<Registration>& registrations) {
    std::vector<NameParts> names;
    names.reserve(registrations.size());
    for (const Registration& registration : registrations) {
      names.emplace_back(registration.name);
      model_.add(names.back(), registration.shape);
    }
    for (std::size_t i = 0; i < registrations.size(); ++i)
      join(registrations[i], std::move(names[i]));
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      if (entries_[i].names.size() > 1) settle_tie(entries_[i], classifications_[i]);
    }
  }

  std::vector<Entry> take_entries() { return std::move(entries_); }
  /// Whether an embedding is tied to something else, which is the head.
  bool has_tied_head() const { return tied_head_; }

 private:
  void join(const Registration& registration, NameParts name) {
    const auto typed = role_by_type(registration, name);
    Classification found = typed ? *typed : role_by_name(name, registration.shape, model_);
    if (registration.identity != nullptr) {
      const auto [known, is_new] = seen_.emplace(registration.identity, entries_.size());
      if (!is_new) {
        Entry& entry = entries_[known->second];
        entry.parameter.aliases.push_back(registration.name);
        entry.names.push_back(std::move(name));
        classifications_[known->second].push_back(std::move(found));
        return;
      }
    }
    Entry entry;
    Parameter& p = entry.parameter;
    p.name = registration.name;
    p.tensor = registration.tensor;
    p.shape = registration.shape;
    p.module_type = registration.module_type;
    p.groups = registration.groups;
    adopt(entry, found);
    entry.trainable = registration.trainable;
    entry.ends_sequence = registration.ends_sequence;
    entry.names.push_back(std::move(name));
    entries_.push_back(std::move(entry));
    classifications_.push_back({std::move(found)});
  }

  static void adopt(Entry& entry, const Classification& found) {
    entry.parameter.role = found.role;
    entry.parameter.evidence = found.evidence;
    entry.parameter.reason = found.reason;
    entry.parameter.low_confidence = found.low_confidence;
    entry.in_embedding = found.in_embedding;
  }

  /// A tensor with several names is an embedding's table if one of them is that of an embedding,
  /// or if one of them is that of a head and no type says Linear; else what its first name says.
  void settle_tie(Entry& entry, const std::vector<Classification>& found) {
    const auto is_embedding = [](const Classification& c) {
      return c.role == Role::embedding || c.in_embedding;
    };
    const auto all = [&](const auto& is) { return std::all_of(found.begin(), found.end(), is); };
    const auto any = [&](const auto& is) { return std::any_of(found.begin(), found.end(), is); };
    const bool untyped =
        all([](const Classification& c) { return c.evidence != Evidence::module_type; });
    const auto head = [](const NameParts& name) { return is_head_name(name); };
    const auto heads = std::count_if(entry.names.begin(), entry.names.end(), head);
    const bool table_and_head = untyped && entry.parameter.shape.size() == 2 && heads > 0 &&
                                heads < static_cast<std::ptrdiff_t>(entry.names.size());
    const bool named_embedding =
        any([](const Classification& c) { return c.role == Role::embedding; });
    if (!named_embedding && !table_and_head) return;
    entry.parameter.role = Role::embedding;
    entry.parameter.evidence = Evidence::tie;
    entry.parameter.reason = fmt::format("tie: also {}", fmt::join(entry.parameter.aliases, ", "));
    entry.parameter.low_confidence = false;
    tied_head_ = tied_head_ || !all(is_embedding) || heads > 0;
  }

  ModelNames model_;
  std::vector<Entry> entries_;
  std::vector<std::vector<Classification>> classifications_;
  std::unordered_map<const void*, std::size_t> seen_;
  bool tied_head_ = false;
};

/// Only position or shape speaks for the role of a matrix.
bool is_weak(const Parameter& p) {
  return p.evidence == Evidence::position || (p.evidence == Evidence::shape && p.shape.size() >= 2);
}

}  // namespace

std::vector<Parameter> assign_roles(const std::vector<Registration>& registrations) {
  Joiner joiner(registrations);
  std::vector<Entry> entries = joiner.take_entries();
  find_heads(entries, joiner.has_tied_head());
  set_views(entries);
  const auto is_known_head = [](const Entry& entry) {
    return entry.parameter.role == Role::output_head;
  };
  const bool known_head = std::any_of(entries.begin(), entries.end(), is_known_head);
  std::vector<Parameter> parameters;
  for (Entry& entry : entries) {
    if (!entry.trainable) continue;
    Parameter& p = entry.parameter;
    p.low_confidence = has_values(p) && (p.low_confidence || is_weak(p));
    p.model_has_head = known_head || joiner.has_tied_head();
    parameters.push_back(std::move(p));
  }
  return parameters;
}

bool has_values(const Parameter& parameter) {
  return std::find(parameter.shape.begin(), parameter.shape.end(), 0) == parameter.shape.end();
}

std::string_view to_string(Role role) { return name_of(role); }
std::string_view to_string(Evidence evidence) { return name_of(evidence); }

}  // namespace muon
