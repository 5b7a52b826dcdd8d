// muon/plan/options.hpp: the options of a Muon parameter group.
//
// Setters chain, as everywhere in LibTorch; TORCH_ARG generates a setter and a getter for each
// name:
//     auto options = muon::MuonOptions(0.02).momentum(0.95).weight_decay(0.01);
//     double rate = options.lr();
#pragma once

#include <muon/export.hpp>
#include <muon/matrix/orthogonalize.hpp>

#include <torch/optim/optimizer.h>

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace torch::optim {
struct AdamWOptions;
}

namespace muon {

/// What updates a parameter. `frozen` occurs in plans only: nothing does.
enum class Algorithm { muon, adamw, frozen };
/// "muon", "adamw" or "frozen".
[[nodiscard]] MUON_API std::string_view to_string(Algorithm algorithm);

/// How the learning rate is scaled to a matrix of rows x cols (outputs x inputs). PyTorch's names.
enum class AdjustLr {
  /// sqrt(max(1, rows / cols)). K. Jordan, https://kellerjordan.github.io/posts/muon/. Goes with lr
  /// near 0.02.
  original,
  /// c sqrt(max(rows, cols)): an update as large as AdamW's, so AdamW's lr and decay can be kept. c
  /// is 0.2 in PyTorch and `match_rms_scale` here. Moonshot, https://arxiv.org/abs/2502.16982
  match_rms_adamw,
  /// sqrt(rows / cols). Scion, https://arxiv.org/abs/2502.07529; in PyTorch from 2.14.
  spectral_unclamped,
};
[[nodiscard]] MUON_API std::string_view to_string(AdjustLr rule);

/// Moonshot's c of AdjustLr::match_rms_adamw, the only one that torch.optim.Muon has.
inline constexpr double default_match_rms_scale = 0.2;

/// The factor by which `rule` multiplies lr. Dimensionless; 0 for a matrix without entries.
/// `match_rms_scale` is the c of AdjustLr::match_rms_adamw.
[[nodiscard]] MUON_API double lr_factor(AdjustLr rule, std::int64_t rows, std::int64_t cols,
                                        double match_rms_scale = default_match_rms_scale);

/// Options of one group. Names, order and defaults are those of Python's torch.optim.Muon (2.14),
/// which lacks the options below the line. Checked when a group is added and again at every step,
/// since schedulers write to them.
class MUON_API MuonOptions : public torch::optim::OptimizerCloneableOptions<MuonOptions> {
 public:
  MuonOptions(double lr = 1e-3);  // implicit, as LibTorch's: muon::Muon optimizer(parameters, 0.02)

  /// Learning rate, before the factor of `adjust_lr_fn`. >= 0.
  MuonOptions& lr(double lr);
  double lr() const { return lr_; }

 private:
  double lr_;  // first, as in torch::optim::AdamWOptions; see written_through_cast
  std::array<std::uint64_t, 5> guard_;
  double written_lr_;

 public:
  /// Decoupled: each step multiplies the parameter by 1 - lr * weight_decay. >= 0.
  TORCH_ARG(double, weight_decay) = 0.1;
  /// Decay of the moving average of gradients: buffer = momentum * buffer + (1 - momentum) *
  /// gradient. At least 0 and below 1.
  TORCH_ARG(double, momentum) = 0.95;
  /// Look one step ahead: orthogonalize momentum * buffer + (1 - momentum) * gradient instead of
  /// buffer.
  TORCH_ARG(bool, nesterov) = true;
  /// Newton-Schulz coefficients: one for all steps, or a list for the first, second, ... whose last
  /// entry repeats. Not empty, and not longer than `ns_steps` unless it has one entry.
  TORCH_ARG(std::vector<NewtonSchulzStep>, ns_coefficients) = jordan_steps(1);
  /// Smallest divisor of the normalization, in the unit of the update's Frobenius norm. >= 0.
  TORCH_ARG(double, eps) = 1e-7;
  /// 0 <= ns_steps < 100.
  TORCH_ARG(int, ns_steps) = 5;
  TORCH_ARG(AdjustLr, adjust_lr_fn) = AdjustLr::original;

  // ---- beyond PyTorch ----

  /// How the update is orthogonalized. The coefficients and steps above are those of
  /// Method::newton_schulz.
  TORCH_ARG(Method, method) = Method::newton_schulz;
  TORCH_ARG(NormBound, norm_bound) = NormBound::frobenius;
  TORCH_ARG(NormEps, norm_eps) = NormEps::clamp;
  TORCH_ARG(ComputeDtype, compute_dtype) = ComputeDtype::automatic;
  /// The c of AdjustLr::match_rms_adamw: the root mean square of an update before lr. > 0; with
  /// other rules it has no effect, and must be 0.2. Moonshot uses 0.2, DeepSeek-V4 0.18; Adam's
  /// updates have sqrt((1 - beta1) / (1 + beta1)) where gradients are noise.
  TORCH_ARG(double, match_rms_scale) = default_match_rms_scale;

 public:
  /// Sets the coefficients and, with them, the number of steps.
  MuonOptions& ns_preset(const std::vector<NewtonSchulzStep>& steps);

  /// The options that `orthogonalize` is called with.
  [[nodiscard]] OrthogonalizeOptions orthogonalize_options() const;

  /// Whether these options were written through
  /// `static_cast<torch::optim::AdamWOptions&>(group.options())`, which is undefined for a Muon
  /// group. `check_options` refuses such options, so the next step does.
  [[nodiscard]] bool written_through_cast() const;

  double get_lr() const override { return lr(); }
  void set_lr(double lr) override { this->lr(lr); }
  friend MUON_API bool operator==(const MuonOptions& left, const MuonOptions& right);
};

/// The factor by which these options multiply lr for a matrix of rows x cols.
[[nodiscard]] MUON_API double lr_factor(const MuonOptions& options, std::int64_t rows,
                                        std::int64_t cols);

/// The algorithm that options of this type are for.
/// Errors   std::invalid_argument for a type that is neither MuonOptions nor
///          torch::optim::AdamWOptions.
[[nodiscard]] MUON_API Algorithm algorithm_of(const torch::optim::OptimizerOptions& options);

/// Throws std::invalid_argument, beginning with `where`, if an option is out of its range, or if
/// MuonOptions were written through a cast to torch::optim::AdamWOptions.
MUON_API void check_options(const MuonOptions& options, std::string_view where);
MUON_API void check_options(const torch::optim::AdamWOptions& options, std::string_view where);

/// The groups of Keller Jordan's MuonWithAuxAdam: lr 0.02, momentum 0.95, no decay; and Adam with
/// lr 3e-4, betas (0.9, 0.95), eps 1e-10, no decay.
/// Source   https://github.com/KellerJordan/Muon
[[nodiscard]] MUON_API MuonOptions keller_jordan_muon(double lr = 0.02);
[[nodiscard]] MUON_API torch::optim::AdamWOptions keller_jordan_adam(double lr = 3e-4);

/// The options of Muon in the built-in plan: Keller Jordan's, with Method::automatic. On a CPU that
/// is dwh2, which is faster, closer to orthogonal, and trains no worse (docs/performance.md);
/// `keller_jordan_muon()` gives the reference's numbers. lr is 0.02 unless given.
[[nodiscard]] MUON_API MuonOptions default_muon();
[[nodiscard]] MUON_API MuonOptions default_muon(double lr);
/// The options of AdamW in the built-in plan: Keller Jordan's, with ten times his learning rate,
/// 3e-3 unless given. Embeddings and head hold back a language model that trains with 3e-4
/// (docs/evidence.md).
[[nodiscard]] MUON_API torch::optim::AdamWOptions default_adamw();
[[nodiscard]] MUON_API torch::optim::AdamWOptions default_adamw(double lr);

}  // namespace muon
