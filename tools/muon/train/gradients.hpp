// --gradients: what backward left.
#pragma once

#include "train/models/model.hpp"

#include <cstdint>

namespace cli {

/// One line a parameter: shape and norm, or why there is none.
void print_gradients(const Model& model, std::int64_t step);

}  // namespace cli
