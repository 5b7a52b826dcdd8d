#include "plan/head_names.hpp"

#include "plan/heads.hpp"
#include "plan/name_words.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace muon {
namespace {

bool is_square(const Entry& entry) { return entry.parameter.shape[0] == entry.parameter.shape[1]; }

std::string joined(const std::string& path, const std::string& part) {
  return path.empty() ? part : path + "." + part;
}

/// Calls `visit` with the path of every module around the layer, and of the layer.
template <typename Visit>
void visit_paths(const NameParts& name, const Visit& visit) {
  std::string path;
  for (const std::string& module : name.around) visit(path = joined(path, module));
  visit(joined(path, name.layer));
}

std::string layer_path(const NameParts& name) {
  std::string last;
  visit_paths(name, [&](const std::string& path) { last = path; });
  return last;
}

/// Whether the elements of a list are heads side by side, and not the layers of one.
bool is_list_of_heads(const std::vector<Entry*>& members) {
  const Words& words = members.front()->name().words;
  if (words.empty()) return false;
  if (words.back() == "heads") return true;
  const auto same = [&](const Entry* entry) {
    return entry->parameter.shape == members.front()->parameter.shape;
  };
  return members.size() > 1 && words.back().ends_with('s') && !is_square(*members.front()) &&
         std::all_of(members.begin(), members.end(), same);
}

Entry* last_by_number(const std::vector<Entry*>& members) {
  return *std::max_element(members.begin(), members.end(), [](const Entry* a, const Entry* b) {
    return number_less(a->name().numbers, b->name().numbers);
  });
}

/// The layers of a head before its last one, where nothing else is known of them.
void make_hidden_layer(Entry& entry) {
  Parameter& p = entry.parameter;
  if (p.evidence != Evidence::shape) return;
  p.evidence = Evidence::name;
  p.reason = fmt::format("name: '{}', before its last layer", entry.name().layer);
}

}  // namespace

void make_head(Entry& entry, Evidence evidence, const std::string& reason) {
  entry.parameter.role = Role::output_head;
  entry.parameter.evidence = evidence;
  entry.parameter.reason = reason;
  entry.parameter.low_confidence = false;
}

void add_doubt(Entry& entry, const std::string& doubt) {
  entry.parameter.low_confidence = true;
  entry.parameter.reason += doubt;
}

bool is_head_name(const NameParts& name) {
  if (name.bare || name.in_attention) return false;
  const HeadName says = head_name(name.layer);
  if (says == HeadName::certain) return !name.in_list || !name.in_block;
  if (name.in_block || name.in_feed_forward) return false;
  return says == HeadName::usual || (says == HeadName::ambiguous && name.around.empty());
}

HeadNames::HeadNames(const std::vector<Entry>& all, const std::vector<Entry*>& matrices,
                     const LayerFlow& flow)
    : matrices_(matrices), flow_(flow) {
  note_paths(all);
}

void HeadNames::find() {
  for (Entry* entry : matrices_) collect(*entry);
  settle_named();
  for (const auto& [path, members] : groups_) settle_group(path, members);
}

void HeadNames::note_paths(const std::vector<Entry>& all) {
  for (const Entry& entry : all) {
    for (const NameParts& name : entry.names) {
      layers_.insert(layer_path(name));
      if (name.in_attention)
        visit_paths(name, [&](const std::string& path) { with_attention_.insert(path); });
      if (entry.parameter.role == Role::convolution && entry.parameter.shape.size() > 1)
        visit_paths(name, [&](const std::string& path) { with_convolution_.insert(path); });
    }
  }
}

/// The first of its names that says something decides.
void HeadNames::collect(Entry& entry) {
  for (const NameParts& name : entry.names) {
    const bool never = name.bare || name.in_attention || is_value_projection(name);
    if (!never && collect_under(entry, name)) return;
  }
}

bool HeadNames::collect_under(Entry& entry, const NameParts& name) {
  const std::string container = head_around(name);
  const HeadName says = head_name(name.layer);
  const bool inside = name.in_block || name.in_feed_forward;
  const bool output_of_a_part = says == HeadName::ambiguous && !name.around.empty() &&
                                container.empty() && flow_.is_taken(entry);
  const bool in_place = !container.empty() || (!inside && !output_of_a_part);
  const bool called = is_head_name(name) || (says != HeadName::none && in_place);
  if (!called && container.empty()) return false;
  candidates_.insert(&entry);
  if (called) called_head_.insert(&entry);
  if (called && !name.in_list) {
    named_.push_back(&entry);
  } else {
    groups_[called ? layer_path(name) : container].push_back(&entry);
  }
  return true;
}

/// A layer called "value" is a critic's head, except beside a "key" or a "query", where it is an
/// attention's projection.
bool HeadNames::is_value_projection(const NameParts& name) const {
  if (name.layer != "value") return false;
  const std::string path = layer_path(name);
  const std::string parent = path.substr(0, path.size() - name.layer.size());
  return layers_.count(parent + "key") > 0 || layers_.count(parent + "query") > 0;
}

/// The path of the innermost module around the layer that is called a head. With an attention in
/// it, it is a part of the network that pools; with a number before it, a part of a block.
std::string HeadNames::head_around(const NameParts& name) const {
  std::string path, found;
  for (const std::string& module : name.around) {
    path = joined(path, module);
    if (says_head_around(module) && with_attention_.count(path) == 0) found = path;
    if (ends_in_digit(module)) break;
  }
  return found;
}

/// Whether one of `heads` may take in what the entry puts out; with `within`, one below that path.
bool HeadNames::feeds(const Entry& entry, const Candidates& heads,
                      const std::string& within) const {
  const auto& takers = flow_.takers(entry);
  return std::any_of(takers.begin(), takers.end(), [&](const Entry* taker) {
    const std::string& sequence = taker->name().sequence;
    const bool same_list =
        taker == &entry || (!sequence.empty() && sequence == entry.name().sequence);
    return !same_list && taker->parameter.shape != entry.parameter.shape &&
           heads.count(taker) > 0 && (within.empty() || taker->name().text.starts_with(within));
  });
}

/// Whether the entry is below a head and followed by another layer; doubtful unless that one is
/// below the same head and called its output.
bool HeadNames::settle_before_a_head(const std::string& path, Entry& entry) const {
  if (!feeds(entry, candidates_)) return false;
  if (feeds(entry, called_head_, path + ".")) {
    make_hidden_layer(entry);
  } else {
    add_doubt(entry, "; below a head, and may be its last layer");
  }
  return true;
}

void HeadNames::settle_named() {
  for (Entry* entry : named_) {
    const bool before_a_head = !is_square(*entry) && feeds(*entry, called_head_);
    if (before_a_head) {
      add_doubt(*entry, "; another head may take in its outputs");
      continue;
    }
    const auto named = std::find_if(entry->names.begin(), entry->names.end(), [](const auto& name) {
      return head_name(name.layer) != HeadName::none;
    });
    make_head(*entry, Evidence::name, fmt::format("name: '{}'", named->layer));
  }
}

void HeadNames::settle_group(const std::string& path, const Members& members) {
  const auto in_list = [](const Entry* entry) { return entry->name().in_list; };
  if (std::all_of(members.begin(), members.end(), in_list)) {
    std::map<std::string, Members> sequences;
    for (Entry* entry : members) sequences[entry->name().sequence].push_back(entry);
    for (const auto& sequence : sequences) settle_sequence(path, sequence.second);
  } else if (members.size() == 1) {
    settle_single(path, *members.front());
  } else {
    settle_several(members);
  }
}

void HeadNames::settle_sequence(const std::string& path, const Members& members) {
  const std::string layer = layer_path(members.front()->name());
  if (is_list_of_heads(members)) {
    for (Entry* entry : members)
      make_head(*entry, Evidence::name, fmt::format("name: '{}', a list of heads", layer));
    return;
  }
  Entry* const last = last_by_number(members);
  for (Entry* entry : members) {
    if (entry != last) make_hidden_layer(*entry);
  }
  const bool alone = members.size() == 1;
  if (alone ? settle_before_a_head(path, *last) : feeds(*last, called_head_)) return;
  if (alone && is_square(*last))
    return add_doubt(*last, "; below a head, and may be its last layer");
  make_head(*last, Evidence::name, fmt::format("name: the last layer of '{}'", layer));
}

void HeadNames::settle_single(const std::string& path, Entry& entry) {
  const Parameter& p = entry.parameter;
  const bool first_of_several = !entry.name().in_list && entry.name().numbers.size() == 1 &&
                                entry.name().numbers.front() == "1";
  const bool before_convolutions = p.shape[0] > p.shape[1] && with_convolution_.count(path) > 0;
  if (settle_before_a_head(path, entry)) return;
  if (first_of_several || before_convolutions)
    return add_doubt(entry, "; below a head, and may be its last layer");
  make_head(entry, Evidence::name,
            fmt::format("name: the only matrix below '{}'", local_name(path)));
}

/// Layers of different names: what no other layer takes in is an output.
void HeadNames::settle_several(const Members& members) {
  std::map<std::string, Members> sequences;
  for (Entry* entry : members) {
    if (!entry->name().sequence.empty()) sequences[entry->name().sequence].push_back(entry);
  }
  std::set<const Entry*> last;
  for (const auto& sequence : sequences) {
    if (sequence.second.size() > 1) last.insert(last_by_number(sequence.second));
  }
  for (Entry* entry : members) {
    const bool ends = last.count(entry) > 0 && !feeds(*entry, called_head_);
    if (!flow_.is_taken(*entry) || ends) {
      make_head(*entry, Evidence::name,
                fmt::format("name: '{}', the last layer below a head", entry->name().layer));
    } else {
      make_hidden_layer(*entry);
    }
  }
}

}  // namespace muon
