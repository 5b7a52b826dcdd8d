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

/// buffer <- momentum buffer + (1 - momentum) gradient, and update <- the same step again from the new buffer if `nesterov`,
/// else the buffer.
void momentum(float* buffer, float* update, const float* gradient, double momentum, bool nesterov, std::int64_t count);
void momentum(double* buffer, double* update, const double* gradient, double momentum, bool nesterov, std::int64_t count);

/// One AdamW update of consecutive values. Factors of step t: decay 1 - lr weight_decay, rate lr / (1 - beta1^t), root
/// 1 / sqrt(1 - beta2^t).
struct AdamWFactors {
  double beta1, beta2, eps, decay, rate, root;
};
/// `largest` is null, or the running maximum of amsgrad.
void adamw(float* parameter, const float* gradient, float* average, float* square, float* largest, const AdamWFactors& f,
           std::int64_t count);
void adamw(double* parameter, const double* gradient, double* average, double* square, double* largest, const AdamWFactors& f,
           std::int64_t count);

}  // namespace muon::kernels
