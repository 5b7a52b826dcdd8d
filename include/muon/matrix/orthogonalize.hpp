// muon/matrix/orthogonalize.hpp: replaces a matrix by an approximation of its orthogonal polar
// factor.
#pragma once

#include <muon/export.hpp>

#include <ATen/core/Tensor.h>

#include <string_view>
#include <vector>

namespace muon {

/// One Newton-Schulz step: X becomes a X + b (X X^T) X + c (X X^T)^2 X.
/// It acts on each singular value alone: s becomes a s + b s^3 + c s^5.
struct NewtonSchulzStep {
  double a = 0;
  double b = 0;
  double c = 0;

  friend bool operator==(const NewtonSchulzStep& left, const NewtonSchulzStep& right) {
    return left.a == right.a && left.b == right.b && left.c == right.c;
  }
  friend bool operator!=(const NewtonSchulzStep& left, const NewtonSchulzStep& right) {
    return !(left == right);
  }
};

/// `count` equal steps (3.4445, -4.7750, 2.0315), steepest at zero. After five, singular values
/// above 1.6e-3 of the norm are between 0.68 and 1.203; further steps keep them around 1 and do not
/// converge to it.
/// Source: K. Jordan, "Muon", 2024, https://kellerjordan.github.io/posts/muon/
[[nodiscard]] MUON_API std::vector<NewtonSchulzStep> jordan_steps(int count = 5);

/// Five steps, each with its own coefficients: closer to 1 at the same cost.
/// Source: J. You, as used in https://github.com/microsoft/dion
[[nodiscard]] MUON_API std::vector<NewtonSchulzStep> jiacheng_you_steps();

/// Five steps of Polar Express for singular values down to 1e-3 of the norm, with the safety factor
/// 1.02 that half precision needs; the division of the input by 1.02 times its norm is folded into
/// the first step. Ends within 0.16 of 1. Source: Amsel et al., 2025,
/// https://arxiv.org/abs/2505.16932; coefficients as in
/// https://github.com/KellerJordan/modded-nanogpt
[[nodiscard]] MUON_API std::vector<NewtonSchulzStep> polar_express_steps();

/// The paper's own list without a safety factor, for float32 and float64. From the eighth step on
/// it is (1.875, -1.25, 0.375), which converges to 1.
/// Source: as above, Algorithm 1 and its appendix.
[[nodiscard]] MUON_API std::vector<NewtonSchulzStep> polar_express_paper_steps(int count = 8);

/// `count` steps (2, -1.5, 0.5), which take every nonzero singular value to 1, small ones slowly
/// (each step doubles them). For tests, and where accuracy matters more than time.
[[nodiscard]] MUON_API std::vector<NewtonSchulzStep> converging_steps(int count = 30);

/// How the factor is approximated. Costs are in multiply-adds, with m the shorter side, a = longer
/// / shorter, and symmetric products computed by half.
enum class Method {
  automatic,  ///< dwh2 on a CPU, newton_schulz on other devices and with ComputeDtype::bfloat16
  /// Newton-Schulz with the coefficients in `steps`: T (3 a + 1) / 2 m^3 for T steps on a nearly
  /// square matrix, (4 T - 3 + 3 a) / 2 m^3 from a = 1.5 on, where the steps are taken on the Gram
  /// matrix.
  newton_schulz,
  /// Two Halley steps on the Gram matrix, with Cholesky: (2 + 3 a / 2) m^3. Singular values above
  /// 1e-3 of the norm bound come within 0.021 of 1.
  dwh2,
  zolotarev2,  ///< The best rational function with two poles: (1 + 3 a / 2) m^3, within 0.21 of 1.
  zolotarev3,  ///< With three: (3 / 2 + 3 a / 2) m^3, within 0.07 of 1.
};

/// The divisor that normalizes the matrix: an upper bound of its largest singular value, from
/// products that are computed anyway. The tighter the bound, the smaller the singular values that
/// still come close to 1.
enum class NormBound {
  frobenius,  ///< ||X||_F, as PyTorch and Keller Jordan do
  schatten4,  ///< ||X X^T||_F^(1/2). Free.
  /// ||(X X^T)^2||_F^(1/4). Free for polynomials; one more symmetric product for the others.
  schatten8,
};

/// The type the matrix products are computed in. `automatic`: on a CPU the input's own
/// (half-precision input in float32), on CUDA bfloat16, and float64 input in float64 everywhere.
enum class ComputeDtype { automatic, float32, float64, bfloat16 };

/// How `eps` enters the division by the norm: PyTorch divides by max(norm, eps), Keller Jordan by
/// norm + eps.
enum class NormEps { clamp, add };

[[nodiscard]] MUON_API std::string_view to_string(Method method);
[[nodiscard]] MUON_API std::string_view to_string(NormBound bound);
[[nodiscard]] MUON_API std::string_view to_string(ComputeDtype type);
[[nodiscard]] MUON_API std::string_view to_string(NormEps rule);

struct OrthogonalizeOptions {
  /// The three rational methods do not read `steps`. On float32 they fall back to
  /// polar_express_steps() for a matrix whose Gram matrix is not positive definite after rounding;
  /// none of the spectra in the tests is.
  Method method = Method::newton_schulz;

  /// Applied in order. May be empty: the result is then the normalized input.
  std::vector<NewtonSchulzStep> steps = jordan_steps();

  /// In the unit of the input's Frobenius norm. With 0, the result does not depend on the input's
  /// scale at all; an all-zero matrix stays zero in either case.
  double eps = 1e-7;
  NormEps norm_eps = NormEps::clamp;
  NormBound norm_bound = NormBound::frobenius;

  /// bfloat16 is for polynomials; the rational methods are computed in float32 instead. It rounds
  /// every product to 8 bits and moves singular values by about 1e-2. On CUDA it runs on tensor
  /// cores. On a CPU the products are computed in float32 and rounded, which gives the same numbers
  /// as bfloat16 products that accumulate in float32 and is not faster than float32.
  ComputeDtype compute_dtype = ComputeDtype::automatic;
};

/// Returns an approximation of U V^T, where `matrix` = U S V^T (thin SVD).
///
/// Shapes   [.., m, n]; leading dimensions are a batch of matrices, each treated alone. Same shape,
///          dtype and device out.
/// Units    Dimensionless. An exact U V^T of full rank has Frobenius norm sqrt(min(m, n)).
/// Cost     See Method. On a CPU a batch is shared out over LibTorch's threads, matrix by matrix,
///          and a large matrix is worked on by all of them; no environment variable is needed. Work
///          memory: three to four times m^2 values a thread, and for polynomials on nearly square
///          matrices two copies of the matrix. The input is never copied transposed. No float32
///          input is too small or too large for the norm, and float64 input from 1e-150 to 1e150 is
///          safe. In bfloat16 the input is first rounded to bfloat16, as in the reference
///          implementations, and must be within its range, 1e-38 to 3e38.
/// Errors   std::invalid_argument if `matrix` has fewer than two dimensions, is sparse, or is not
///          of a floating type; if eps is negative or not finite. Values are not inspected: NaN or
///          Inf in gives NaN out.
/// Safety   Reads `matrix` only; records no autograd history; no global state, so calls from
///          several threads are independent.
///
/// Example  auto update = muon::orthogonalize(momentum, {.steps = muon::polar_express_steps()});
[[nodiscard]] MUON_API at::Tensor orthogonalize(const at::Tensor& matrix,
                                                const OrthogonalizeOptions& options = {});

}  // namespace muon
