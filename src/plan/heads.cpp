#include "plan/heads.hpp"

#include "plan/fused.hpp"
#include "plan/head_names.hpp"
#include "plan/layer_flow.hpp"
#include "plan/name_words.hpp"
#include "plan/repetition.hpp"
#include "plan/role.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

namespace muon {
namespace {

using Shape = std::vector<std::int64_t>;

bool is_narrow(const Entry& entry) { return entry.parameter.shape[0] < entry.parameter.shape[1]; }

bool is_head(const Entry& entry) { return entry.parameter.role == Role::output_head; }

bool is_hidden(const Entry& entry) {
  const Parameter& p = entry.parameter;
  return has_values(p) && (p.role == Role::hidden_matrix || p.role == Role::convolution);
}

bool is_typed_convolution(const Entry& entry) {
  return entry.parameter.role == Role::convolution &&
         entry.parameter.evidence == Evidence::module_type;
}

/// Recurrent and fused weights are matrices that nobody takes for a head.
bool may_be_head(const Entry& entry) {
  const Parameter& p = entry.parameter;
  if (p.role != Role::hidden_matrix || p.shape.size() != 2 || !has_values(p)) return false;
  if (p.evidence == Evidence::module_type && !is_linear(p)) return false;
  return !entry.name().local.starts_with("weight_ih") &&
         !entry.name().local.starts_with("weight_hh") && !is_fused_attention(entry.name().layer);
}

/// Hidden layers are multiples of this wide almost without exception; classes, actions and
/// coordinates are as many as there are.
constexpr std::int64_t usual_width = 16;

/// A vocabulary has this many times as many words as a word has values.
constexpr std::int64_t times_as_tall = 8;

bool has_usual_width(const Entry& entry) { return entry.parameter.shape[0] % usual_width == 0; }

std::string outputs_of(const Entry& entry) {
  const std::int64_t count = entry.parameter.shape[0];
  return fmt::format("its {} output{}", count, count == 1 ? "" : "s");
}

class HeadFinder {
 public:
  HeadFinder(std::vector<Entry>& entries, bool tied_head)
      : entries_(entries), tied_head_(tied_head), flow_(entries) {
    for (Entry& entry : entries_) {
      typed_ = typed_ || entry.parameter.evidence == Evidence::module_type;
      if (is_hidden(entry)) repetition_.add(entry);
      if (may_be_head(entry)) matrices_.push_back(&entry);
    }
  }

  void find() {
    HeadNames(entries_, matrices_, flow_).find();
    find_usual_name();
    find_by_shape();
    if (typed_) find_last_in_order();
    find_ends();
    if (!typed_ && !is_known()) find_last_by_name();
    for (Entry* entry : matrices_) mark(*entry);
  }

 private:
  bool is_known() const {
    return tied_head_ || std::any_of(entries_.begin(), entries_.end(), is_head);
  }

  bool is_free(const Entry& entry) const {
    return entry.parameter.role == Role::hidden_matrix && !entry.name().in_attention;
  }

  // ---- by name ----

  /// torchvision's, and others', name of an output layer, and of any other.
  void find_usual_name() {
    const auto is_top = [](const Entry& entry) { return entry.name().around.empty(); };
    const bool known = std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) {
      return is_head(entry) && is_top(entry);
    });
    if (known || typed_) return;
    for (Entry* entry : matrices_) {
      if (!is_free(*entry) || !is_top(*entry) || flow_.is_taken(*entry)) continue;
      if (entry->name().layer != "fc" || entry->name().in_list) continue;
      make_head(*entry, Evidence::name, "name: 'fc'; the usual name of an output layer");
      entry->parameter.low_confidence = true;
    }
  }

  // ---- by shape ----

  void find_by_shape() {
    std::map<Shape, std::string> tables, heads;
    for (const Entry& entry : entries_) {
      const Parameter& p = entry.parameter;
      if (p.shape.size() != 2 || p.shape[0] == p.shape[1]) continue;
      if (p.role == Role::embedding) tables.emplace(p.shape, p.name);
      if (p.role == Role::output_head) heads.emplace(p.shape, p.name);
    }
    for (Entry* entry : matrices_) {
      if (is_free(*entry)) find_twin(*entry, tables, heads);
    }
  }

  void find_twin(Entry& entry, const std::map<Shape, std::string>& tables,
                 const std::map<Shape, std::string>& heads) {
    const Shape& shape = entry.parameter.shape;
    const auto decide = [&](const std::string& why) {
      make_head(entry, Evidence::shape, "shape only: " + why);
    };
    const bool outside = !entry.name().in_block;
    const auto transposed = tables.find({shape[1], shape[0]});
    if (outside && !is_linear(entry.parameter) && transposed != tables.end() &&
        shape[1] / times_as_tall >= shape[0])
      return decide(fmt::format("'{}', transposed", transposed->second));
    if (flow_.is_taken(entry) || shape[0] == shape[1]) return;
    const auto table = tables.find(shape), head = heads.find(shape);
    if (outside && table != tables.end())
      return decide(fmt::format("as many outputs as '{}' has rows", table->second));
    if (head != heads.end()) return decide(fmt::format("that of the head '{}'", head->second));
    constexpr std::int64_t vocabulary = 16384;
    if (outside && shape[0] >= vocabulary && shape[0] / times_as_tall >= shape[1])
      return decide(fmt::format("{} outputs, as many as a vocabulary", shape[0]));
    if (entry.in_embedding && is_narrow(entry))
      decide(fmt::format("{} enter no other layer, so a head or a table", outputs_of(entry)));
  }

  /// The last layers of lists and the layers outside of everything, whose outputs go nowhere.
  void find_ends() {
    for (Entry* entry : matrices_) {
      const NameParts& name = entry->name();
      if (!is_free(*entry) || name.in_block || flow_.is_taken(*entry) || has_usual_width(*entry))
        continue;
      const bool ends = repetition_.ends_sequence(*entry);
      const bool last = ends && repetition_.length_of_sequence(*entry) > 1;
      const bool outside = name.around.empty() && is_narrow(*entry) && (ends || !name.in_list);
      if (last || outside) {
        make_head(*entry, Evidence::shape,
                  fmt::format("shape only: {} enter no other layer", outputs_of(*entry)));
      }
    }
  }

  // ---- by position ----

  /// Whether the parameter belongs to an attention: by its name, or because it lies beside a
  /// MultiheadAttention's own parameters, such as that module's output projection.
  bool inside_attention(const Entry& entry) const {
    const Parameter& p = entry.parameter;
    const std::string_view parent = owner_path(owner_path(p.name));
    return entry.name().in_attention || is_fused_attention(entry.name().layer) ||
           std::any_of(entries_.begin(), entries_.end(), [&](const Entry& other) {
             return other.parameter.module_type == "MultiheadAttention" &&
                    owner_path(other.parameter.name) == parent;
           });
  }

  /// A block, or a network whose head is its embedding, puts out as many values as it takes in.
  bool keeps_the_width(const Entry& entry) const {
    const std::int64_t outputs = entry.parameter.shape[0];
    const bool embedded = std::any_of(entries_.begin(), entries_.end(), [&](const Entry& other) {
      const Parameter& p = other.parameter;
      return p.role == Role::embedding && p.shape.size() == 2 && p.shape[1] == outputs;
    });
    return embedded || (entry.name().in_block && flow_.is_taken(entry));
  }

  /// Without a head by tie, name or shape, the last layer of the model is one if it is a Linear
  /// outside attention and blocks.
  void find_last_in_order() {
    const auto last = std::find_if(entries_.rbegin(), entries_.rend(), [](const Entry& entry) {
      return is_hidden(entry) || is_head(entry);
    });
    if (last == entries_.rend() || is_head(*last)) return;
    if (inside_attention(*last) || repetition_.repeats(*last) || keeps_the_width(*last)) return;
    const bool linear = is_linear(last->parameter);
    if (is_known()) {
      if (linear) add_doubt(*last, "; the last Linear: another head?");
    } else if (is_typed_convolution(*last)) {
      add_doubt(*last, "; the last layer of the model: an output?");
    } else if (linear) {
      make_head(*last, Evidence::position, "position only: the last Linear");
    }
  }

  /// The same where the order is not known: the last by number, or what goes nowhere.
  void find_last_by_name() {
    std::vector<Entry*> last;
    for (Entry* entry : matrices_) {
      if (is_free(*entry) && is_last_numbered(*entry)) last.push_back(entry);
    }
    for (Entry* entry : last) {
      make_head(*entry, Evidence::position,
                fmt::format("position only: the last numbered layer, '{}'",
                            owner_path(entry->parameter.name)));
    }
    for (Entry* entry : matrices_) {
      const bool outside = !entry->name().in_block || repetition_.is_in_last_block(*entry);
      if (!is_free(*entry) || flow_.is_taken(*entry) || !is_narrow(*entry) || !outside) continue;
      if (!repetition_.ends_sequence(*entry)) continue;
      make_head(*entry, Evidence::position,
                fmt::format("position only: {} enter no other layer", outputs_of(*entry)));
    }
    if (!is_known()) find_narrowest();
  }

  /// fc1, fc2, fc3, or the elements of a Sequential that is the whole model.
  bool is_last_numbered(const Entry& entry) const {
    const NameParts& name = entry.name();
    const bool whole_model = name.around.empty() && (!name.in_list || name.layer.empty());
    if (name.sequence.empty() || !whole_model || !repetition_.ends_sequence(entry)) return false;
    const auto& takers = flow_.takers(entry);
    return std::all_of(takers.begin(), takers.end(),
                       [&](const Entry* taker) { return taker->name().sequence == name.sequence; });
  }

  /// Outputs may be as many as inputs, as in a forecast. With a vocabulary the head is tied to it.
  void find_narrowest() {
    const bool vocabulary = std::any_of(entries_.begin(), entries_.end(), [](const Entry& entry) {
      const Parameter& p = entry.parameter;
      return p.role == Role::embedding && p.shape.size() == 2 &&
             p.shape[0] / times_as_tall >= p.shape[1];
    });
    Entry* narrowest = nullptr;
    for (Entry* entry : matrices_) {
      if (!is_free(*entry) || entry->name().in_block || !is_narrow(*entry)) continue;
      if (narrowest == nullptr || entry->parameter.shape[0] < narrowest->parameter.shape[0])
        narrowest = entry;
    }
    if (vocabulary || narrowest == nullptr) return;
    make_head(
        *narrowest, Evidence::position,
        fmt::format("position only: {} are the fewest outside blocks", outputs_of(*narrowest)));
  }

  // ---- doubts ----

  void mark(Entry& entry) {
    const NameParts& name = entry.name();
    const bool marked = entry.parameter.low_confidence;
    if (!is_free(entry) || marked || entry.parameter.evidence == Evidence::shape) return;
    if (entry.ends_sequence && is_linear(entry.parameter) && !repetition_.repeats(entry)) {
      return add_doubt(entry, fmt::format("; it ends '{}': a head?",
                                          owner_path(owner_path(entry.parameter.name))));
    }
    if (name.in_block || name.in_feed_forward) return;
    const bool taken =
        has_usual_width(entry) ? flow_.is_taken_in_parts(entry) : flow_.is_taken(entry);
    if (!taken)
      return add_doubt(entry, fmt::format("; {} enter no other layer: a head?", outputs_of(entry)));
    const auto& takers = flow_.takers(entry);
    const bool later = std::any_of(takers.begin(), takers.end(),
                                   [&](const Entry* taker) { return taker > &entry; });
    if (typed_ && !later && !takers.empty() && is_narrow(entry) && !has_usual_width(entry))
      add_doubt(entry, fmt::format("; {} enter no later layer: a head?", outputs_of(entry)));
  }

  std::vector<Entry>& entries_;
  const bool tied_head_;
  const LayerFlow flow_;
  bool typed_ = false;  // from a module tree, whose layers are in order
  std::vector<Entry*> matrices_;
  Repetition repetition_;
};

}  // namespace

void find_heads(std::vector<Entry>& entries, bool tied_head) {
  HeadFinder(entries, tied_head).find();
}

}  // namespace muon
