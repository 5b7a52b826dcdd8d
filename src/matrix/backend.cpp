#include "matrix/backend.hpp"

#include <limits>

namespace muon {
namespace {

#ifdef MUON_HAS_BLAS
constexpr bool has_kernels = true;
#else
constexpr bool has_kernels = false;
#endif

/// BLAS counts rows, columns and the distance between rows in 32 bits; the kernels pad rows by up
/// to a cache line.
constexpr std::int64_t blas_limit = std::numeric_limits<int>::max() - 64;

Method resolve(const at::Device& device, const OrthogonalizeOptions& options) {
  if (options.method != Method::automatic) return options.method;
  return device.is_cpu() && options.compute_dtype != ComputeDtype::bfloat16 ? Method::dwh2
                                                                            : Method::newton_schulz;
}

}  // namespace

bool is_rational(Method method) { return method != Method::newton_schulz; }

Backend backend_for(const at::Device& device, at::ScalarType dtype, std::int64_t longest,
                    const OrthogonalizeOptions& options) {
  Backend backend{Backend::Kind::aten, at::kFloat, false, resolve(device, options)};
  switch (options.compute_dtype) {
    case ComputeDtype::float32: break;
    case ComputeDtype::float64: backend.dtype = at::kDouble; break;
    case ComputeDtype::bfloat16:
      if (is_rational(backend.method)) break;
      // A processor without bfloat16 units multiplies it 14 to 50 times slower than float32;
      // float32 products of rounded factors give the same numbers.
      backend.round_to_bfloat16 = device.is_cpu();
      backend.dtype = device.is_cpu() ? at::kFloat : at::kBFloat16;
      break;
    case ComputeDtype::automatic:
      if (dtype == at::kDouble) {
        backend.dtype = at::kDouble;
      } else if (device.is_cuda() && !is_rational(backend.method)) {
        backend.dtype = at::kBFloat16;
      }
      break;
  }
  const bool can = has_kernels && device.is_cpu() && longest <= blas_limit;
  if (can && options.compute_dtype != ComputeDtype::bfloat16) backend.kind = Backend::Kind::kernels;
  return backend;
}

}  // namespace muon
