// Tensors in tests: copies, gradients, comparisons.
#pragma once

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <cstddef>
#include <vector>

using Tensors = std::vector<torch::Tensor>;

/// The greatest absolute entry.
inline double largest(const torch::Tensor& t) { return t.abs().max().item<double>(); }

/// The values in float64, in memory of their own.
inline torch::Tensor wide(const torch::Tensor& t) {
  return t.detach().to(torch::kFloat64).clone(at::MemoryFormat::Contiguous);
}

/// Up to `relative` times the largest entry of `expected`.
inline void expect_close(const torch::Tensor& ours, const torch::Tensor& expected,
                         double relative) {
  EXPECT_LE(largest(wide(ours) - wide(expected)) / std::max(1e-30, largest(wide(expected))),
            relative);
}

/// Bit for bit.
inline void expect_same(const Tensors& left, const Tensors& right) {
  ASSERT_EQ(left.size(), right.size());
  for (std::size_t i = 0; i < left.size(); ++i)
    EXPECT_TRUE(torch::equal(left[i], right[i])) << "tensor " << i;
}

/// Parameters of their own, where they were parameters.
inline Tensors copies(const Tensors& tensors) {
  Tensors result;
  for (const torch::Tensor& t : tensors)
    result.push_back(t.detach().clone().requires_grad_(t.requires_grad()));
  return result;
}

inline void set_gradient(torch::Tensor parameter, const torch::Tensor& gradient) {
  parameter.mutable_grad() = gradient;
}

inline void random_gradients(const Tensors& parameters) {
  for (const torch::Tensor& p : parameters) set_gradient(p, torch::randn_like(p));
}
