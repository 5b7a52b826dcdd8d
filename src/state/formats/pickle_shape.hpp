// Whether a pickle's values, which may be shared, are a tree that can be walked.
#pragma once

#include "state/formats/pickle.hpp"

#include <cstddef>

namespace muon::pickle {

/// Errors   std::runtime_error: a value contains itself, is nested deeper than 64, or would be more
///          than `most` values if it were written out.
/// Cost     Visits each container once, without recursion.
void check_shape(const Document& document, std::size_t most);

}  // namespace muon::pickle
