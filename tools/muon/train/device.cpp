#include "train/device.hpp"

#include "cli/usage_error.hpp"

#include <fmt/format.h>
#include <torch/cuda.h>

namespace cli {

torch::Device parse_device(const std::string& text) {
  const bool cuda = text == "cuda" || (text.starts_with("cuda:") && text.size() > 5 && text.size() < 9 &&
                                       text.find_first_not_of("0123456789", 5) == std::string::npos);
  if (text != "cpu" && !cuda) throw UsageError(fmt::format("--device '{}' is unknown; give cpu, cuda, or cuda:N", text));
  const torch::Device device(text);
  if (cuda && !torch::cuda::is_available())
    throw UsageError("--device cuda: this LibTorch finds no CUDA device; use --device cpu");
  if (cuda && device.has_index() &&
      static_cast<std::size_t>(device.index()) >= static_cast<std::size_t>(torch::cuda::device_count())) {
    throw UsageError(fmt::format("--device {}: there are {} CUDA devices, from 0", text, torch::cuda::device_count()));
  }
  return device;
}

torch::ScalarType parse_dtype(const std::string& text) {
  if (text == "float64") return torch::kFloat64;
  return text == "bfloat16" ? torch::kBFloat16 : torch::kFloat32;
}

}  // namespace cli
