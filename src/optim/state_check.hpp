// Checks values from a file before they become an optimizer's state: with invalid ones, the next
// step would make parameters NaN.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>

namespace muon {

/// What is wrong with the state's tensor `key` ("exp_avg_sq"), to continue a sentence: "holds NaN
/// or infinity". Empty if nothing is. Reads the tensor once.
std::string problem_of_state(const std::string& key, const at::Tensor& tensor);

/// The number of steps in a tensor of any type; none unless the tensor is a single whole number
/// from 0 to 2^53.
std::optional<std::int64_t> step_count_of(const at::Tensor& step);

/// For errors: "-1", "nan", "a tensor of 3 values".
std::string step_text(const at::Tensor& step);

}  // namespace muon
