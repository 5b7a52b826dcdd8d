// Whether values read from a file can be an optimizer's state: the next step would otherwise make
// parameters NaN.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>

namespace muon {

/// What is wrong with a state's tensor called `key` ("exp_avg_sq"), as it continues a sentence:
/// "holds NaN or infinity". Empty if nothing is. Cost: one read of the tensor.
std::string problem_of_state(const std::string& key, const at::Tensor& tensor);

/// The number of steps in a tensor of any type; nothing unless it is one whole number from 0 to
/// 2^53.
std::optional<std::int64_t> step_count_of(const at::Tensor& step);

/// For errors: "-1", "nan", "a tensor of 3 values".
std::string step_text(const at::Tensor& step);

}  // namespace muon
