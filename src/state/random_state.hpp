// The states of LibTorch's default generators.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

namespace muon {

/// "cpu", "cuda:0", ... with their generators.
std::vector<std::pair<std::string, at::Generator>> default_generators();

at::Tensor random_state(at::Generator& generator);
void set_random_state(at::Generator& generator, const at::Tensor& state);

/// Whether the generator accepts the state. Leaves the generator unchanged.
bool is_random_state(at::Generator& generator, const at::Tensor& state);

}  // namespace muon
