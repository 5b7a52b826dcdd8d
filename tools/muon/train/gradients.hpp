// What backward left: --gradients shows it, --clip bounds it.
#pragma once

#include "train/models/model.hpp"

#include <torch/optim/optimizer.h>

#include <cstdint>

namespace cli {

/// One line a parameter: shape and norm, or why there is none.
void print_gradients(const Model& model, std::int64_t step);

/// Scales all gradients of the optimizer's parameters by one factor, so that their norm, as one
/// vector, is at most `norm`. Gradients whose norm is not finite stay as they are: the optimizer's
/// step then names the parameter.
void clip_gradients(torch::optim::Optimizer& optimizer, double norm);

}  // namespace cli
