// Single passes over values in memory, each reading and writing every value once.
#pragma once

#include <cstdint>

namespace muon::kernels {

/// False if a value is NaN or infinite.
bool all_finite(const float* values, std::int64_t count);
bool all_finite(const double* values, std::int64_t count);

/// The largest magnitude; NaN if there is a NaN.
double largest_magnitude(const float* values, std::int64_t count);
double largest_magnitude(const double* values, std::int64_t count);

/// out <- factor in
void scale(float* out, const float* in, double factor, std::int64_t count);
void scale(double* out, const double* in, double factor, std::int64_t count);

/// buffer <- lerp(buffer, gradient, 1 - momentum); update <- lerp(gradient, buffer, momentum) if
/// `nesterov`, else the buffer. lerp(a, b, w) is a + w (b - a) for w < 0.5 and b - (b - a) (1 - w)
/// from there on, so that w = 1 gives b exactly even where a is many orders larger.
/// Source   the two forms are torch.lerp's:
///          https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/Lerp.h
void momentum(float* buffer, float* update, const float* gradient, double momentum, bool nesterov,
              std::int64_t count);
void momentum(double* buffer, double* update, const double* gradient, double momentum,
              bool nesterov, std::int64_t count);

/// The factors of one AdamW update at step t.
struct AdamWFactors {
  double beta1, beta2, eps;
  double decay;                      // 1 - lr weight_decay
  double step_size;                  // lr / (1 - beta1^t)
  double inv_sqrt_bias_correction2;  // 1 / sqrt(1 - beta2^t)
};

/// One AdamW update of consecutive values. `largest` is null, or the running maximum of amsgrad.
void adamw(float* parameter, const float* gradient, float* average, float* square, float* largest,
           const AdamWFactors& f, std::int64_t count);
void adamw(double* parameter, const double* gradient, double* average, double* square,
           double* largest, const AdamWFactors& f, std::int64_t count);

}  // namespace muon::kernels
