#include "train/gradients.hpp"

#include "cli/print.hpp"

#include <torch/torch.h>

#include <algorithm>
#include <cstddef>
#include <sstream>
#include <vector>

namespace cli {

void print_gradients(const Model& model, std::int64_t step) {
  print("gradients after step {}\n", step);
  std::size_t width = 0;
  for (const auto& entry : model.named_parameters()) width = std::max(width, entry.key().size());
  for (const auto& entry : model.named_parameters()) {
    const torch::Tensor& gradient = entry.value().grad();
    if (gradient.defined()) {
      std::ostringstream shape;
      shape << gradient.sizes();
      print("  {:<{}}  {:<14}  norm {:.4g}\n", entry.key(), width, shape.str(),
            gradient.norm().item<double>());
    } else {
      print("  {:<{}}  no gradient: {}\n", entry.key(), width,
            entry.value().requires_grad() ? "it took no part in the loss, and no optimizer moved it"
                                          : "it is frozen");
    }
  }
}

void clip_gradients(torch::optim::Optimizer& optimizer, double norm) {
  std::vector<torch::Tensor> parameters;  // of the optimizer, since a model lists tied ones twice
  for (const auto& group : optimizer.param_groups())
    parameters.insert(parameters.end(), group.params().begin(), group.params().end());
  try {
    torch::nn::utils::clip_grad_norm_(parameters, norm, 2.0, /*error_if_nonfinite=*/true);
  } catch (const c10::Error&) {
    // it is thrown before anything is scaled
  }
}

}  // namespace cli
