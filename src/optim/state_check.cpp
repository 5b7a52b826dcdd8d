#include "optim/state_check.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>

namespace muon {
namespace {

/// Averages of squares, whose root a step takes.
bool is_of_squares(const std::string& key) {
  return key == "exp_avg_sq" || key == "max_exp_avg_sq";
}

}  // namespace

std::string problem_of_state(const std::string& key, const at::Tensor& tensor) {
  if (tensor.numel() == 0) return "";
  if (!at::isfinite(tensor).all().item<bool>()) return "holds NaN or infinity";
  if (is_of_squares(key) && tensor.min().item<double>() < 0)
    return "holds negative values, and is an average of squares";
  return "";
}

std::optional<std::int64_t> step_count_of(const at::Tensor& step) {
  constexpr double most = 9007199254740992.0;  // 2^53: up to it a double holds every whole number
  if (!step.defined() || step.numel() != 1 || step.is_complex()) return std::nullopt;
  const double count = step.to(at::kDouble).item<double>();
  if (!(count >= 0 && count <= most) || count != std::floor(count)) return std::nullopt;
  return static_cast<std::int64_t>(count);
}

std::string step_text(const at::Tensor& step) {
  if (step.numel() != 1) return fmt::format("a tensor of {} values", step.numel());
  return step.is_complex() ? "complex" : fmt::format("{}", step.to(at::kDouble).item<double>());
}

}  // namespace muon
