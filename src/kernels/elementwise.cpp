#include "kernels/elementwise.hpp"

#include "kernels/team.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

// Each function is written once, always inlined into two entry points, which are compiled for
// several instruction sets.
#define MUON_INLINE inline __attribute__((always_inline))

namespace muon::kernels {
namespace {

template <class T>
MUON_INLINE bool finite_of(const T* values, std::int64_t count) {
  T sum = 0;  // x * 0 is NaN for NaN and infinity, and NaN stays
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < count; ++i) sum += values[i] * 0;
  return sum == 0;
}

template <class T>
MUON_INLINE double largest_of(const T* values, std::int64_t count) {
  T most = 0;
#pragma omp simd reduction(max : most)
  for (std::int64_t i = 0; i < count; ++i) most = std::max(most, std::fabs(values[i]));
  return finite_of(values, count) || std::isinf(most) ? static_cast<double>(most)
                                                      : std::numeric_limits<double>::quiet_NaN();
}

template <class T>
MUON_INLINE void scale_of(T* out, const T* in, T factor, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) out[i] = factor * in[i];
}

/// lerp(from, to, weight), where `weight` is `to_end` ? at least 0.5 : less; `rest` is 1 - weight.
template <bool to_end, class T>
MUON_INLINE T lerp(T from, T to, T weight, T rest) {
  return to_end ? to - (to - from) * rest : from + weight * (to - from);
}

/// `slow`: momentum is more than a half, so that the buffer moves by less than half of the way.
template <class T, bool nesterov, bool slow>
MUON_INLINE void momentum_of(T* buffer, T* update, const T* gradient, double momentum,
                             std::int64_t count) {
  const T kept = static_cast<T>(momentum);
  const T step = static_cast<T>(1 - momentum);
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    const T moved = lerp<!slow>(buffer[i], gradient[i], step, kept);
    buffer[i] = moved;
    update[i] = nesterov ? lerp<slow>(gradient[i], moved, kept, step) : moved;
  }
}

template <class T>
MUON_INLINE void momentum_of(T* buffer, T* update, const T* gradient, double momentum,
                             bool nesterov, std::int64_t count) {
  if (momentum > 0.5) {
    nesterov ? momentum_of<T, true, true>(buffer, update, gradient, momentum, count)
             : momentum_of<T, false, true>(buffer, update, gradient, momentum, count);
  } else {
    nesterov ? momentum_of<T, true, false>(buffer, update, gradient, momentum, count)
             : momentum_of<T, false, false>(buffer, update, gradient, momentum, count);
  }
}

template <class T, bool amsgrad, bool slow>
MUON_INLINE void adamw_of(T* parameter, const T* gradient, T* average, T* square, T* largest,
                          const AdamWFactors& f, std::int64_t count) {
  const T kept1 = static_cast<T>(f.beta1);
  const T step1 = static_cast<T>(1 - f.beta1);
  const T beta2 = static_cast<T>(f.beta2);
  const T step2 = static_cast<T>(1 - f.beta2);
  const T eps = static_cast<T>(f.eps);
  const T decay = static_cast<T>(f.decay);
  const T step_size = static_cast<T>(f.step_size);
  const T correction = static_cast<T>(f.inv_sqrt_bias_correction2);
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    const T g = gradient[i];
    const T first = lerp<!slow>(average[i], g, step1, kept1);
    T second = beta2 * square[i] + step2 * (g * g);
    average[i] = first;
    square[i] = second;
    if constexpr (amsgrad) {
      second = second > largest[i] ? second : largest[i];
      largest[i] = second;
    }
    parameter[i] =
        decay * parameter[i] - step_size * (first / (std::sqrt(second) * correction + eps));
  }
}

template <class T, bool amsgrad>
MUON_INLINE void adamw_of(T* parameter, const T* gradient, T* average, T* square, T* largest,
                          const AdamWFactors& f, std::int64_t count) {
  f.beta1 > 0.5
      ? adamw_of<T, amsgrad, true>(parameter, gradient, average, square, largest, f, count)
      : adamw_of<T, amsgrad, false>(parameter, gradient, average, square, largest, f, count);
}

}  // namespace

#define MUON_BOTH(T)                                                                             \
  MUON_VECTORIZED bool all_finite(const T* values, std::int64_t count) {                         \
    return finite_of(values, count);                                                             \
  }                                                                                              \
  MUON_VECTORIZED double largest_magnitude(const T* values, std::int64_t count) {                \
    return largest_of(values, count);                                                            \
  }                                                                                              \
  MUON_VECTORIZED void scale(T* out, const T* in, double factor, std::int64_t count) {           \
    scale_of(out, in, static_cast<T>(factor), count);                                            \
  }                                                                                              \
  MUON_VECTORIZED void momentum(T* buffer, T* update, const T* gradient, double momentum,        \
                                bool nesterov, std::int64_t count) {                             \
    momentum_of(buffer, update, gradient, momentum, nesterov, count);                            \
  }                                                                                              \
  MUON_VECTORIZED void adamw(T* parameter, const T* gradient, T* average, T* square, T* largest, \
                             const AdamWFactors& f, std::int64_t count) {                        \
    if (largest != nullptr)                                                                      \
      return adamw_of<T, true>(parameter, gradient, average, square, largest, f, count);         \
    adamw_of<T, false>(parameter, gradient, average, square, largest, f, count);                 \
  }
MUON_BOTH(float)
MUON_BOTH(double)
#undef MUON_BOTH

}  // namespace muon::kernels
