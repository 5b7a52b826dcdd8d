#include "matrix/polar_aten.hpp"

#include "matrix/polar.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <initializer_list>
#include <utility>

namespace muon {
namespace {

using polar::Part;
using polar::Term;

/// The type of the products, and the rounding of each to bfloat16 where the backend asks for it.
struct Arithmetic {
  at::ScalarType type;
  bool round;

  bool is_bfloat16() const { return round || type == at::kBFloat16; }
  at::Tensor operator()(at::Tensor product) const {
    return round ? product.to(at::kBFloat16).to(type) : product;
  }
};

/// The operations of polar.hpp on a batch of wide matrices.
class AtenOps {
 public:
  AtenOps(at::Tensor x, const Arithmetic& rounded) : x_(std::move(x)), rounded_(rounded) {}

  /// Which matrices of the batch met one that is not positive definite; undefined if none did, or
  /// no rational method ran.
  const at::Tensor& failed() const { return failed_; }
  const at::Tensor& result() const { return x_; }

  /// Full products only: here the form that iterates on X is faster for most shapes, and safe in
  /// bfloat16.
  static bool prefers_gram_form(double) { return false; }

  bool gram(int r, int) {
    square_[r] = rounded_(at::bmm(x_, x_.transpose(1, 2)));
    return false;
  }

  void multiply(int c, int a, int b, double alpha, double beta, int d) {
    square_[c] = rounded_(beta == 0 ? at::bmm(square_[a], square_[b]).mul_(alpha)
                                    : at::baddbmm(square_[d], square_[a], square_[b], beta, alpha));
  }

  void combine(int c, double diagonal, std::initializer_list<Term> terms, Part) {
    if (terms.size() == 1 && diagonal == 0 && terms.begin()->factor == 1) {
      square_[c] = square_[terms.begin()->matrix];
      return;
    }
    at::Tensor sum = at::zeros({x_.size(0), x_.size(1), x_.size(1)}, x_.options());
    for (const Term& term : terms) sum.add_(square_[term.matrix], term.factor);
    if (diagonal != 0) sum.diagonal(0, 1, 2).add_(diagonal);
    square_[c] = rounded_(sum);
  }

  bool invert(int a) {
    const auto [factor, info] = at::linalg_cholesky_ex(square_[a]);
    const at::Tensor bad = info.ne(0);
    // a CPU need not compute both answers if all is well
    if (!x_.is_cpu() || bad.any().item<bool>())
      failed_ = failed_.defined() ? failed_.logical_or(bad) : bad;
    square_[a] = at::cholesky_inverse(factor);
    return true;
  }

  void apply(int q, double a) {
    x_ = rounded_(a == 0 ? at::bmm(square_[q], x_)
                         : at::baddbmm(x_, square_[q], x_, /*beta=*/a, /*alpha=*/1));
  }
  void finish(int q, double a) { apply(q, a); }

 private:
  at::Tensor x_;
  at::Tensor square_[4];
  at::Tensor failed_;
  Arithmetic rounded_;
};

at::Tensor frobenius(const at::Tensor& matrices) {
  // float64: no float32 entry is too small or too large for it
  const auto wide = matrices.is_cpu() || matrices.is_cuda() ? at::kDouble : at::kFloat;
  return at::linalg_vector_norm(matrices, 2, at::IntArrayRef{-2, -1}, /*keepdim=*/true, wide);
}

struct TensorMath {
  static at::Tensor at_least(const at::Tensor& bound, double eps) { return bound.clamp_min(eps); }
  static at::Tensor one_where_zero(const at::Tensor& divisor) {
    return divisor.masked_fill(divisor == 0, 1);
  }
};

/// Divides each matrix by its norm bound.
at::Tensor normalized(const at::Tensor& matrices, const OrthogonalizeOptions& options) {
  const at::Tensor norm = frobenius(matrices);
  at::Tensor bound = norm;
  if (options.norm_bound != NormBound::frobenius) {
    const at::Tensor unit =
        (matrices / norm.masked_fill(norm == 0, 1))
            .to(matrices.scalar_type() == at::kDouble ? at::kDouble : at::kFloat);
    at::Tensor power = at::bmm(unit, unit.transpose(1, 2));
    double root = 0.5;
    if (options.norm_bound == NormBound::schatten8) {
      power = at::bmm(power, power);
      root = 0.25;
    }
    bound = norm * frobenius(power).pow(root);
  }
  return matrices / polar::norm_divisor<TensorMath>(bound, options);
}

}  // namespace

at::Tensor orthogonalize_aten(const at::Tensor& batch, const OrthogonalizeOptions& options,
                              const Backend& backend) {
  const Arithmetic arithmetic{backend.dtype, backend.round_to_bfloat16};
  const std::vector<NewtonSchulzStep> fallback = polar_express_steps();
  const bool tall = batch.size(1) > batch.size(2);
  at::Tensor x = tall ? batch.transpose(1, 2) : batch;  // the Gram matrix has the shorter side
  // bfloat16 rounds the input and then the quotient, as PyTorch and Keller Jordan do; only the norm
  // between them stays wide
  if (arithmetic.is_bfloat16()) x = x.to(at::kBFloat16);
  x = arithmetic(normalized(x, options).to(arithmetic.type));
  const double ratio = static_cast<double>(x.size(2)) / static_cast<double>(x.size(1));
  AtenOps ops(x, arithmetic);
  polar::orthogonalize(ops, backend.method, options.steps, fallback, ratio);
  at::Tensor result = ops.result();
  if (ops.failed().defined()) {
    // which matrices failed is known on the device alone, so both answers are made for all
    AtenOps again(x, arithmetic);
    polar::newton_schulz(again, fallback);
    result = at::where(ops.failed().view({-1, 1, 1}), again.result(), result);
  }
  if (tall) result = result.transpose(1, 2);
  return result;
}

}  // namespace muon
