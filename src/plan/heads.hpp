// Which hidden matrices are output heads after all: by the names of layers and of the modules
// around them, by where the outputs of a layer go, and by position.
#pragma once

#include "plan/entry.hpp"

#include <vector>

namespace muon {

/// Whether a layer of this name is an output layer in this place. Inside a numbered block, an
/// attention or a feed-forward network, "out" is that part's own output.
bool is_head_name(const NameParts& name);

/// Makes output heads of those entries that are hidden matrices and last in the network. Adds to
/// the reason and lowers the confidence of those that may be. `tied_head`: an embedding is the
/// head.
void find_heads(std::vector<Entry>& entries, bool tied_head);

}  // namespace muon
