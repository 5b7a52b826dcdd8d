// Output heads by name: the layers that are called one, and the last layers of what is.
#pragma once

#include "plan/entry.hpp"
#include "plan/layer_flow.hpp"

#include <map>
#include <string>
#include <unordered_set>
#include <vector>

namespace muon {

/// The role, its evidence and its reason, of a hidden matrix that is a head after all.
void make_head(Entry& entry, Evidence evidence, const std::string& reason);

/// Adds to the reason what speaks for another role.
void add_doubt(Entry& entry, const std::string& doubt);

class HeadNames {
 public:
  /// `matrices`: the entries that may be heads, among `all`.
  HeadNames(const std::vector<Entry>& all, const std::vector<Entry*>& matrices,
            const LayerFlow& flow);

  void find();

 private:
  using Members = std::vector<Entry*>;
  using Candidates = std::unordered_set<const Entry*>;

  void note_paths(const std::vector<Entry>& all);
  void collect(Entry& entry);
  bool collect_under(Entry& entry, const NameParts& name);
  std::string head_around(const NameParts& name) const;
  bool is_value_projection(const NameParts& name) const;
  bool feeds(const Entry& entry, const Candidates& heads, const std::string& within = "") const;
  void settle_named();
  void settle_group(const std::string& path, const Members& members);
  void settle_sequence(const std::string& path, const Members& members);
  bool settle_before_a_head(const std::string& path, Entry& entry) const;
  void settle_single(const std::string& path, Entry& entry);
  void settle_several(const Members& members);

  const std::vector<Entry*>& matrices_;
  const LayerFlow& flow_;
  /// the paths of modules with an attention or a convolution somewhere in them
  std::unordered_set<std::string> with_attention_, with_convolution_;
  std::unordered_set<std::string> layers_;  // the paths of all layers
  Members named_;                           // called a head, and no element of a list
  std::map<std::string, Members> groups_;   // by the path of what is called a head
  Candidates called_head_, candidates_;  // the layer itself is called one; that, or one around it
};

}  // namespace muon
