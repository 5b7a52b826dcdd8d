#include <muon/optim/orthogonalize.hpp>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

namespace muon {
namespace {

[[noreturn]] void refuse(const std::string& what) { throw std::invalid_argument("[orthogonalize] " + what); }

std::vector<QuinticStep> repeat_last(std::vector<QuinticStep> steps, int count) {
  if (count < 0) refuse(fmt::format("the number of steps is {}; give 0 or more", count));
  steps.resize(static_cast<std::size_t>(count), steps.back());
  return steps;
}

/// What the products are computed in, and whether each is rounded to bfloat16 afterwards.
struct Arithmetic {
  at::ScalarType type;
  bool round = false;

  bool is_bfloat16() const { return round || type == at::kBFloat16; }
  at::Tensor operator()(at::Tensor product) const { return round ? product.to(at::kBFloat16).to(type) : product; }
};

Arithmetic arithmetic_for(const at::Tensor& matrix, ComputeType wanted) {
  const bool is_double = matrix.scalar_type() == at::kDouble;
  if (wanted == ComputeType::automatic) {
    if (is_double) return {at::kDouble};
    return {matrix.is_cuda() ? at::kBFloat16 : at::kFloat};
  }
  if (wanted == ComputeType::float64) return {at::kDouble};
  if (wanted == ComputeType::float32) return {at::kFloat};
  // A processor without bfloat16 units multiplies it 14 to 50 times slower than float32; the same numbers come from float32
  // products of rounded factors.
  return matrix.is_cpu() ? Arithmetic{at::kFloat, /*round=*/true} : Arithmetic{at::kBFloat16};
}

/// Each matrix divided by its Frobenius norm, which is taken in float64: no float32 entry is too small or too large for it.
at::Tensor normalized(const at::Tensor& matrices, const OrthogonalizeOptions& options) {
  const auto wide = matrices.is_cpu() || matrices.is_cuda() ? at::kDouble : at::kFloat;
  at::Tensor norm = at::linalg_vector_norm(matrices, 2, at::IntArrayRef{-2, -1}, /*keepdim=*/true, wide);
  norm = options.norm_eps == NormEps::clamp ? norm.clamp_min(options.eps) : norm + options.eps;
  norm = norm.masked_fill(norm == 0, 1);  // eps 0 and an all-zero matrix, which stays zero
  return matrices / norm;
}

at::Tensor newton_schulz(at::Tensor x, const std::vector<QuinticStep>& steps, const Arithmetic& rounded) {
  for (const QuinticStep& step : steps) {
    const at::Tensor gram = rounded(at::bmm(x, x.transpose(1, 2)));
    const at::Tensor polynomial = rounded(at::baddbmm(gram, gram, gram, /*beta=*/step.b, /*alpha=*/step.c));
    x = rounded(at::baddbmm(x, polynomial, x, /*beta=*/step.a, /*alpha=*/1));
  }
  return x;
}

}  // namespace

std::vector<QuinticStep> jordan_steps(int count) { return repeat_last({{3.4445, -4.7750, 2.0315}}, count); }

std::vector<QuinticStep> you_steps() {
  return {{4.0848, -6.8946, 2.9270},
          {3.9505, -6.3029, 2.6377},
          {3.7418, -5.5913, 2.3037},
          {2.8769, -3.1427, 1.2046},
          {2.8366, -3.0525, 1.2012}};
}

std::vector<QuinticStep> polar_express_steps() {
  std::vector<QuinticStep> steps{{8.156554524902461, -22.48329292557795, 15.878769915207462},
                                 {4.042929935166739, -2.808917465908714, 0.5000178451051316},
                                 {3.8916678022926607, -2.772484153217685, 0.5060648178503393},
                                 {3.285753657755655, -2.3681294933425376, 0.46449024233003106},
                                 {2.3465413258596377, -1.7097828382687081, 0.42323551169305323}};
  constexpr double safety = 1.02;  // x / safety in p(x) = a x + b x^3 + c x^5
  steps[0] = {steps[0].a / safety, steps[0].b / std::pow(safety, 3), steps[0].c / std::pow(safety, 5)};
  return steps;
}

std::vector<QuinticStep> polar_express_paper_steps(int count) {
  return repeat_last({{8.28721201814563, -23.595886519098837, 17.300387312530933},
                      {4.107059111542203, -2.9478499167379106, 0.5448431082926601},
                      {3.9486908534822946, -2.908902115962949, 0.5518191394370137},
                      {3.3184196573706015, -2.488488024314874, 0.51004894012372},
                      {2.300652019954817, -1.6689039845747493, 0.4188073119525673},
                      {1.891301407787398, -1.2679958271945868, 0.37680408948524835},
                      {1.8750014808534479, -1.2500016453999487, 0.3750001645474248},
                      {1.875, -1.25, 0.375}},
                     count);
}

std::vector<QuinticStep> converging_steps(int count) { return repeat_last({{2, -1.5, 0.5}}, count); }

at::Tensor orthogonalize(const at::Tensor& matrix, const OrthogonalizeOptions& options) {
  if (!matrix.defined()) refuse("the matrix is undefined");
  if (matrix.layout() != at::kStrided) refuse("the matrix is sparse; call .to_dense() first");
  if (!at::isFloatingType(matrix.scalar_type())) {
    refuse(fmt::format("the matrix is of type {}; a real floating type is needed", c10::toString(matrix.scalar_type())));
  }
  if (matrix.dim() < 2) refuse(fmt::format("the input has {} dimensions; a matrix has two, a batch more", matrix.dim()));
  if (!(std::isfinite(options.eps) && options.eps >= 0))
    refuse(fmt::format("eps is {}; give a finite number of at least 0", options.eps));

  const c10::NoGradGuard no_grad;
  if (matrix.numel() == 0) return matrix.clone();
  const std::int64_t rows = matrix.size(-2);
  const std::int64_t cols = matrix.size(-1);
  const Arithmetic arithmetic = arithmetic_for(matrix, options.compute_type);
  at::Tensor x = matrix.detach().reshape({-1, rows, cols});
  if (rows > cols) x = x.transpose(1, 2);  // the Gram matrix has the shorter side
  // bfloat16 rounds the input and then the quotient, as PyTorch and Keller Jordan do; only the norm between them stays wide
  if (arithmetic.is_bfloat16()) x = x.to(at::kBFloat16);
  x = arithmetic(normalized(x, options).to(arithmetic.type));
  x = newton_schulz(std::move(x), options.steps, arithmetic);
  if (rows > cols) x = x.transpose(1, 2);
  return x.to(matrix.scalar_type()).reshape(matrix.sizes());
}

std::string_view to_string(ComputeType type) {
  switch (type) {
    case ComputeType::float32: return "float32";
    case ComputeType::float64: return "float64";
    case ComputeType::bfloat16: return "bfloat16";
    case ComputeType::automatic: break;
  }
  return "automatic";
}

std::string_view to_string(NormEps rule) { return rule == NormEps::clamp ? "clamp" : "add"; }

}  // namespace muon
