// The plain way, which the ratios are relative to: float32 Newton-Schulz, three products a step
// through ATen.
#pragma once

#include <torch/torch.h>

namespace bench {

inline torch::Tensor naive_newton_schulz(const torch::Tensor& matrix) {
  const bool tall = matrix.size(0) > matrix.size(1);
  torch::Tensor x = tall ? matrix.t() : matrix;
  x = x / x.norm().clamp_min(1e-7);
  for (int step = 0; step < 5; ++step) {
    const torch::Tensor gram = at::mm(x, x.t());
    const torch::Tensor polynomial = at::addmm(gram, gram, gram, -4.7750, 2.0315);
    x = at::addmm(x, polynomial, x, 3.4445, 1);
  }
  return tall ? x.t() : x;
}

/// Muon as a LibTorch user writes it today, parameter by parameter.
inline void naive_step(std::vector<torch::Tensor>& parameters, std::vector<torch::Tensor>& buffers,
                       double lr) {
  const torch::NoGradGuard no_grad;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const torch::Tensor& gradient = parameters[i].grad();
    buffers[i].lerp_(gradient, 0.05);
    const torch::Tensor update = at::lerp(gradient, buffers[i], 0.95);
    const torch::Tensor flat = update.view({update.size(0), -1});
    const torch::Tensor factor = naive_newton_schulz(flat);
    const double scale = std::sqrt(
        std::max(1.0, static_cast<double>(flat.size(0)) / static_cast<double>(flat.size(1))));
    parameters[i].mul_(1 - lr * 0.1).add_(factor.reshape(parameters[i].sizes()), -lr * scale);
  }
}

}  // namespace bench
