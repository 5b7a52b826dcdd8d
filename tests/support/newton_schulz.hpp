// Newton-Schulz as it is written down, and the lists of coefficients that come with the library.
#pragma once

#include "support/threads.hpp"

#include <muon/matrix/orthogonalize.hpp>

#include <torch/torch.h>

#include <string>
#include <utility>
#include <vector>

using Steps = std::vector<muon::NewtonSchulzStep>;

/// All of them by name, with that many of the steps that converge.
inline std::vector<std::pair<std::string, Steps>> presets(int converging = 30) {
  return {{"jordan", muon::jordan_steps()},
          {"you", muon::jiacheng_you_steps()},
          {"polar express", muon::polar_express_steps()},
          {"polar express paper", muon::polar_express_paper_steps()},
          {"converging", muon::converging_steps(converging)}};
}

/// The steps alone, in the matrix's own type; its norm is to be 1 or less.
inline torch::Tensor plain_steps(torch::Tensor x, const Steps& steps) {
  for (const auto& [a, b, c] : steps) {
    const torch::Tensor gram = x.matmul(x.t());
    x = a * x + (b * gram + c * gram.matmul(gram)).matmul(x);
  }
  return x;
}

/// Norm and steps in float64, in one thread.
inline torch::Tensor plain_newton_schulz(const torch::Tensor& matrix, const Steps& steps) {
  const Threads one(1);
  if (matrix.size(0) > matrix.size(1)) return plain_newton_schulz(matrix.t(), steps).t();
  const torch::Tensor x = matrix.to(torch::kFloat64);
  return plain_steps(x / x.norm(), steps);
}
