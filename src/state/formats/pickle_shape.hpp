// Checks that a pickle's values, which may be shared, can be traversed as a tree.
#pragma once

#include "state/formats/pickle.hpp"

#include <cstddef>

namespace muon::pickle {

/// Errors   std::runtime_error: a value contains itself, is nested deeper than 64, or would expand
///          to more than `most` values.
/// Cost     Visits each container once, without recursion.
void check_shape(const Document& document, std::size_t most);

}  // namespace muon::pickle
