// Decides where a matrix is orthogonalized, in which type, and by which method. Nothing else does.
#pragma once

#include <muon/matrix/orthogonalize.hpp>

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace muon {

struct Backend {
  enum class Kind {
    kernels,  ///< polar_cpu: BLAS and the kernels of src/kernels, on float or double in memory
    aten,     ///< polar_aten: LibTorch's operations
  };

  Kind kind;
  at::ScalarType dtype;    ///< the type of the products; float or double for the kernels
  bool round_to_bfloat16;  ///< each product is rounded to bfloat16 afterwards; ATen on a CPU alone
  Method method;           ///< never automatic

  bool uses_kernels() const { return kind == Kind::kernels; }
};

/// The backend for matrices on `device` that are stored as `dtype`, and whose rows, columns and
/// distances between rows are at most `longest` values.
Backend backend_for(const at::Device& device, at::ScalarType dtype, std::int64_t longest,
                    const OrthogonalizeOptions& options);

/// Whether the method takes inverses of Gram matrices, for which bfloat16 is too coarse.
bool is_rational(Method method);

}  // namespace muon
