#include "train/models/attention.hpp"

#include <torch/version.h>

#include <cmath>
#include <limits>

namespace cli {

at::Tensor causal_attention(const at::Tensor& queries, const at::Tensor& keys,
                            const at::Tensor& values) {
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 1)
  return at::scaled_dot_product_attention(queries, keys, values, /*attn_mask=*/{},
                                          /*dropout_p=*/0.0, /*is_causal=*/true);
#else
  return written_out_causal_attention(queries, keys, values);
#endif
}

at::Tensor written_out_causal_attention(const at::Tensor& queries, const at::Tensor& keys,
                                        const at::Tensor& values) {
  const auto time = queries.size(2);
  const double scale = 1 / std::sqrt(static_cast<double>(queries.size(3)));
  const at::Tensor hidden =
      at::full({time, time}, -std::numeric_limits<double>::infinity(), queries.options()).triu(1);
  const at::Tensor scores =
      at::baddbmm(hidden, queries.flatten(0, 1), keys.flatten(0, 1).transpose(1, 2), 1, scale);
  return at::bmm(scores.softmax(-1), values.flatten(0, 1)).view_as(queries);
}

}  // namespace cli
