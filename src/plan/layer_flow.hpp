// Where the outputs of a layer can go, by their number: the layers that take in as many values.
#pragma once

#include "plan/entry.hpp"

#include <cstdint>
#include <map>
#include <vector>

namespace muon {

class LayerFlow {
 public:
  /// The entries must stay where they are.
  explicit LayerFlow(const std::vector<Entry>& entries);

  /// The layers with as many inputs as this one has outputs; it may be one of them itself.
  const std::vector<const Entry*>& takers(const Entry& entry) const;

  /// Whether another layer may take in what this one puts out. What no layer takes in leaves the
  /// network, or is joined with something else.
  bool is_taken(const Entry& entry) const;

  /// The same, and whether a part of it may: one of two, three or four gates, queries or values.
  bool is_taken_in_parts(const Entry& entry) const;

 private:
  void add(std::int64_t width, const Entry& entry) { takers_[width].push_back(&entry); }
  bool is_taken_by_another(std::int64_t width, const Entry& entry) const;

  std::map<std::int64_t, std::vector<const Entry*>> takers_;
};

}  // namespace muon
