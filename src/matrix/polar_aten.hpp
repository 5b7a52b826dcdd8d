// Orthogonalization through ATen: on CUDA and other devices, in bfloat16, and on a CPU whose
// LibTorch hides its BLAS.
#pragma once

#include <muon/matrix/orthogonalize.hpp>

#include "matrix/backend.hpp"

#include <ATen/core/Tensor.h>

namespace muon {

/// The polar factors of a batch [count, rows, cols], in the type of the backend's products. Never
/// waits for the device.
at::Tensor orthogonalize_aten(const at::Tensor& batch, const OrthogonalizeOptions& options,
                              const Backend& backend);

}  // namespace muon
