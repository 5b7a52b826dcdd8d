// Causal attention, the same numbers on every LibTorch.
#pragma once

#include <ATen/ATen.h>

namespace cli {

/// softmax(queries keys^T / sqrt(head width)) values, where a position sees itself and what is
/// before it. By LibTorch's kernel from 2.1 on.
///
/// Shapes   [n, heads, time, head width], each of the three and the result.
at::Tensor causal_attention(const at::Tensor& queries, const at::Tensor& keys,
                            const at::Tensor& values);

/// The same written out, for earlier versions. Takes memory for all n heads time^2 scores.
at::Tensor written_out_causal_attention(const at::Tensor& queries, const at::Tensor& keys,
                                        const at::Tensor& values);

}  // namespace cli
