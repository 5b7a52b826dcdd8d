#include <muon/plan/options.hpp>

#include "plan/enum_names.hpp"

#include <fmt/format.h>
#include <torch/optim/adamw.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <tuple>

namespace muon {
namespace {

// AdamWOptions has lr, two betas, eps, weight_decay and amsgrad, in this order; MuonOptions has lr
// and guard words in their places, so that a write through a cast is detected and changes no other
// option.
static_assert(sizeof(torch::optim::AdamWOptions) ==
              sizeof(torch::optim::OptimizerOptions) + 6 * sizeof(double));
constexpr std::uint64_t guard_word = 0x6d756f6e2e637070;  // "muon.cpp"

class Checks {
 public:
  explicit Checks(std::string_view where) : where_(where) {}

  void at_least_zero(const char* name, double value) const {
    if (!(std::isfinite(value) && value >= 0))
      refuse(name, value, "give a finite number of at least 0");
  }
  void below_one(const char* name, double value) const {
    if (!(value >= 0 && value < 1)) refuse(name, value, "give a number with 0 <= value < 1");
  }
  template <typename T>
  [[noreturn]] void refuse(const char* name, T value, const char* advice) const {
    throw std::invalid_argument(
        fmt::format("[{}] {} is out of range; got {}; {}", where_, name, value, advice));
  }
  template <typename T>
  [[noreturn]] void without_effect(const char* name, T value, const char* advice) const {
    throw std::invalid_argument(
        fmt::format("[{}] {} has no effect here; got {}; {}", where_, name, value, advice));
  }

 private:
  std::string_view where_;
};

void check_match_rms_scale(const MuonOptions& options, const Checks& check) {
  const double scale = options.match_rms_scale();
  if (!(std::isfinite(scale) && scale > 0))
    check.refuse("match_rms_scale", scale, "give a finite number above 0");
  if (scale != default_match_rms_scale && options.adjust_lr_fn() != AdjustLr::match_rms_adamw)
    check.without_effect("match_rms_scale", scale,
                         "set adjust_lr_fn(AdjustLr::match_rms_adamw) as well, whose scale it is");
}

}  // namespace

MuonOptions::MuonOptions(double lr) : lr_(lr), written_lr_(lr) { guard_.fill(guard_word); }

MuonOptions& MuonOptions::lr(double lr) {
  lr_ = lr;
  written_lr_ = lr;
  return *this;
}

bool MuonOptions::written_through_cast() const {
  const bool same_lr = std::memcmp(&lr_, &written_lr_, sizeof lr_) == 0;
  return !same_lr || std::any_of(guard_.begin(), guard_.end(),
                                 [](std::uint64_t word) { return word != guard_word; });
}

MuonOptions& MuonOptions::ns_preset(const std::vector<NewtonSchulzStep>& steps) {
  ns_steps_ = static_cast<int>(steps.size());
  ns_coefficients_ = steps;
  return *this;
}

OrthogonalizeOptions MuonOptions::orthogonalize_options() const {
  check_options(*this, "MuonOptions");
  OrthogonalizeOptions options;
  options.steps.assign(ns_coefficients_.begin(), ns_coefficients_.end());
  options.steps.resize(static_cast<std::size_t>(ns_steps_), ns_coefficients_.back());
  options.eps = eps_;
  options.norm_eps = norm_eps_;
  options.norm_bound = norm_bound_;
  options.method = method_;
  options.compute_dtype = compute_dtype_;
  return options;
}

bool operator==(const MuonOptions& a, const MuonOptions& b) {
  const auto all = [](const MuonOptions& o) {
    return std::tie(o.lr_, o.weight_decay_, o.momentum_, o.nesterov_, o.ns_coefficients_, o.eps_,
                    o.ns_steps_, o.adjust_lr_fn_, o.method_, o.norm_bound_, o.norm_eps_,
                    o.compute_dtype_, o.match_rms_scale_);
  };
  return all(a) == all(b);
}

void check_options(const MuonOptions& options, std::string_view where) {
  const Checks check(where);
  if (options.written_through_cast()) {
    throw std::invalid_argument(
        fmt::format("[{}] these muon::MuonOptions were written through a cast to "
                    "torch::optim::AdamWOptions; got lr {}; use"
                    " group.options().set_lr(), muon::set_lr() or muon::scale_lr()",
                    where, options.lr()));
  }
  check.at_least_zero("lr", options.lr());
  check.at_least_zero("weight_decay", options.weight_decay());
  check.below_one("momentum", options.momentum());
  check.at_least_zero("eps", options.eps());
  check_match_rms_scale(options, check);
  const auto& coefficients = options.ns_coefficients();
  if (options.ns_steps() < 0 || options.ns_steps() >= 100)
    check.refuse("ns_steps", options.ns_steps(), "give 0 to 99");
  if (coefficients.empty())
    check.refuse("ns_coefficients", "an empty list",
                 "give at least one step, such as jordan_steps(1)");
  if (coefficients.size() > 1 &&
      coefficients.size() > static_cast<std::size_t>(options.ns_steps())) {
    check.refuse("ns_coefficients",
                 fmt::format("{} steps for ns_steps {}", coefficients.size(), options.ns_steps()),
                 "use ns_preset(), which sets both");
  }
  for (const NewtonSchulzStep& s : coefficients) {
    if (!std::isfinite(s.a) || !std::isfinite(s.b) || !std::isfinite(s.c)) {
      check.refuse("ns_coefficients", fmt::format("({}, {}, {})", s.a, s.b, s.c),
                   "give finite numbers");
    }
  }
}

void check_options(const torch::optim::AdamWOptions& options, std::string_view where) {
  const Checks check(where);
  check.at_least_zero("lr", options.lr());
  check.at_least_zero("weight_decay", options.weight_decay());
  check.at_least_zero("eps", options.eps());
  check.below_one("betas[0]", std::get<0>(options.betas()));
  check.below_one("betas[1]", std::get<1>(options.betas()));
}

double lr_factor(AdjustLr rule, std::int64_t rows, std::int64_t cols, double match_rms_scale) {
  if (rows == 0 || cols == 0) return 0;
  const auto outputs = static_cast<double>(rows);
  const auto inputs = static_cast<double>(cols);
  switch (rule) {
    case AdjustLr::match_rms_adamw: return match_rms_scale * std::sqrt(std::max(outputs, inputs));
    case AdjustLr::spectral_unclamped: return std::sqrt(outputs / inputs);
    case AdjustLr::original: break;
  }
  return std::sqrt(std::max(1.0, outputs / inputs));
}

double lr_factor(const MuonOptions& options, std::int64_t rows, std::int64_t cols) {
  return lr_factor(options.adjust_lr_fn(), rows, cols, options.match_rms_scale());
}

std::string_view to_string(AdjustLr rule) { return name_of(rule); }
std::string_view to_string(Algorithm algorithm) { return name_of(algorithm); }

Algorithm algorithm_of(const torch::optim::OptimizerOptions& options) {
  if (dynamic_cast<const MuonOptions*>(&options) != nullptr) return Algorithm::muon;
  if (dynamic_cast<const torch::optim::AdamWOptions*>(&options) != nullptr) return Algorithm::adamw;
  throw std::invalid_argument("[options] neither muon::MuonOptions nor torch::optim::AdamWOptions");
}

MuonOptions keller_jordan_muon(double lr) {
  return MuonOptions(lr).weight_decay(0).norm_eps(NormEps::add);
}

torch::optim::AdamWOptions keller_jordan_adam(double lr) {
  return torch::optim::AdamWOptions(lr)
      .betas(std::make_tuple(0.9, 0.95))
      .eps(1e-10)
      .weight_decay(0);
}

MuonOptions default_muon() { return default_muon(0.02); }
MuonOptions default_muon(double lr) { return keller_jordan_muon(lr).method(Method::automatic); }
torch::optim::AdamWOptions default_adamw() { return default_adamw(3e-3); }
torch::optim::AdamWOptions default_adamw(double lr) { return keller_jordan_adam(lr); }

}  // namespace muon
