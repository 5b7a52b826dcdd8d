#include "train/device.hpp"

#include "cli/print.hpp"
#include "cli/usage_error.hpp"

#include <torch/cuda.h>

#include <cstddef>

namespace cli {

torch::Device parse_device(const std::string& name) {
  const bool cuda =
      name == "cuda" || (name.starts_with("cuda:") && name.size() > 5 && name.size() < 9 &&
                         name.find_first_not_of("0123456789", 5) == std::string::npos);
  if (name != "cpu" && !cuda)
    throw UsageError(message("--device '{}' is unknown; give cpu, cuda, or cuda:N", name));
  const torch::Device device(name);
  if (cuda && !torch::cuda::is_available())
    throw UsageError("--device cuda: this LibTorch finds no CUDA device; use --device cpu");
  if (cuda && device.has_index() &&
      static_cast<std::size_t>(device.index()) >=
          static_cast<std::size_t>(torch::cuda::device_count())) {
    throw UsageError(message("--device {}: there are {} CUDA devices, from 0", name,
                             torch::cuda::device_count()));
  }
  return device;
}

}  // namespace cli
