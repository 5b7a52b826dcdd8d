#include "state/random_state.hpp"

#include <ATen/ATen.h>
#include <torch/cuda.h>

#include <exception>
#include <mutex>

namespace muon {

std::vector<std::pair<std::string, at::Generator>> default_generators() {
  std::vector<std::pair<std::string, at::Generator>> all{
      {"cpu", at::globalContext().defaultGenerator(at::kCPU)}};
  const int cuda = torch::cuda::is_available() ? static_cast<int>(torch::cuda::device_count()) : 0;
  for (int i = 0; i < cuda; ++i) {
    const at::Device device(at::kCUDA, static_cast<c10::DeviceIndex>(i));
    all.emplace_back(device.str(), at::globalContext().defaultGenerator(device));
  }
  return all;
}

at::Tensor random_state(at::Generator& generator) {
  const std::lock_guard lock(generator.mutex());
  return generator.get_state();
}

void set_random_state(at::Generator& generator, const at::Tensor& state) {
  const std::lock_guard lock(generator.mutex());
  generator.set_state(state);
}

// Tries it on the generator itself, since LibTorch 1.13 never frees a clone.
bool is_random_state(at::Generator& generator, const at::Tensor& state) {
  const std::lock_guard lock(generator.mutex());
  const at::Tensor before = generator.get_state();
  bool accepted = true;
  try {
    generator.set_state(state);
  } catch (const std::exception&) {
    accepted = false;
  }
  generator.set_state(before);
  return accepted;
}

}  // namespace muon
