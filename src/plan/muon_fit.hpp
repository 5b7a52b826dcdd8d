// Whether Muon can update a parameter. A plan checks it before anything is created, an optimizer
// for every group it is given.
#pragma once

#include <muon/matrix/matrix_view.hpp>

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>

namespace muon {

/// Why Muon cannot update a parameter of these sizes, and what to do; empty if it can. Continues
/// "the parameter ...".
std::string why_not_muon(c10::IntArrayRef sizes, std::optional<at::ScalarType> dtype,
                         const MatrixView& view);

}  // namespace muon
