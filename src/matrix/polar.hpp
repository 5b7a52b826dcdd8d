// The methods of orthogonalize, each formula once. They are written for `Ops`, which holds one
// matrix X (or a batch of them) and four square work matrices of its shorter side, and decides
// where and how they are computed:
//
//   bool gram(r, t)               r <- X X^T / u^2, u the norm bound the first time, 1 after; true
//                                 if t holds r^2 as a by-product
//   multiply(c, a, b, alpha, beta, d)
//                                 c <- beta d + alpha a b, for factors whose product is symmetric
//   combine(c, diagonal, {{factor, a}, ...}, part)
//                                 c <- diagonal I + the sum of the terms
//   bool invert(a)                a <- a^-1; false if a is not positive definite
//   apply(q, a)                   X <- a X + q X
//   finish(q, a)                  the same, and the result goes where it is wanted
//
// Square matrices are named by number. Those that multiply, apply and finish read must be whole:
// gram's and combine's are, with Part::lower only their lower triangle is; multiply and invert
// leave the lower triangle.
#pragma once

#include <muon/matrix/orthogonalize.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <utility>

namespace muon::polar {

enum class Part { lower, whole };

struct Term {
  double factor;
  int matrix;
};

/// From this ratio of sides on, iterating on the Gram matrix costs less than iterating on X.
constexpr double gram_form_from = 1.5;

/// z <- diagonal I + b r + c r^2, where t holds r^2 already if `squared`
template <class Ops>
void polynomial(Ops& op, int z, double diagonal, const NewtonSchulzStep& step, int r, int t,
                bool squared) {
  if (squared) return op.combine(z, diagonal, {{step.b, r}, {step.c, t}}, Part::whole);
  op.multiply(z, r, r, step.c, step.b, r);
  op.combine(z, diagonal, {{1, z}}, Part::whole);
}

/// X <- (a I + b X X^T + c (X X^T)^2) X for each step.
template <class Ops>
void newton_schulz(Ops& op, std::span<const NewtonSchulzStep> steps) {
  constexpr int r = 0, z = 1, q = 2;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const NewtonSchulzStep& step = steps[i];
    const bool squared = op.gram(r, q);
    polynomial(op, z, 0, step, r, q, squared);
    i + 1 < steps.size() ? op.apply(z, step.a) : op.finish(z, step.a);
  }
}

/// The same result from square products alone: with R = X X^T, a step multiplies X by Z = a I + b R
/// + c R^2 and R by Z^2, all of which commute. Rounding makes R lose its small eigenvalues as steps
/// add up, and errors there grow; so from seven steps on it is formed anew after at most four.
/// Source   Dao-AILab, "Gram Newton-Schulz", 2026, https://github.com/Dao-AILab/gram-newton-schulz
template <class Ops>
void gram_newton_schulz(Ops& op, std::span<const NewtonSchulzStep> steps) {
  int r = 0, z = 1, q = 2, t = 3;
  const std::size_t parts = steps.size() < 7 ? 1 : (steps.size() + 3) / 4;
  const std::size_t length = (steps.size() + parts - 1) / parts;
  bool empty = true;  // q stands for the identity
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const NewtonSchulzStep& step = steps[i];
    bool squared = false;
    if (i % length == 0) {
      if (i > 0) op.apply(q, 0);
      empty = true;
      squared = op.gram(r, t);
    }
    polynomial(op, z, step.a, step, r, t, squared);
    // R <- Z R Z, in two products of which the first is kept in t
    if (i + 1 < steps.size() && (i + 1) % length != 0) {
      op.multiply(t, r, z, 1, 0, t);
      op.combine(t, 0, {{1, t}}, Part::whole);
      op.multiply(r, t, z, 1, 0, r);
      op.combine(r, 0, {{1, r}}, Part::whole);
    }
    if (empty) {
      std::swap(q, z);
      empty = false;
    } else {
      op.multiply(t, q, z, 1, 0, t);
      op.combine(t, 0, {{1, t}}, Part::whole);
      std::swap(q, t);
    }
  }
  op.finish(q, 0);
}

/// One dynamically weighted Halley step, s becomes s (a + b s^2) / (1 + c s^2), the best of its
/// kind on [lowest, 1], which it maps to [reach, 1].
/// Source   Nakatsukasa, Bai and Gygi, SIAM J. Matrix Anal. Appl. 31 (2010), equation 3.16
struct HalleyStep {
  double a, b, c, reach;
};

inline HalleyStep halley_step(double lowest) {
  const double square = lowest * lowest;
  const double d = std::cbrt(4 * (1 - square) / (square * square));
  const double root = std::sqrt(1 + d);
  const double a = root + 0.5 * std::sqrt(8 - 4 * d + 8 * (2 - square) / (square * root));
  const double b = (a - 1) * (a - 1) / 4;
  const double c = a + b - 1;
  return {a, b, c, lowest * (a + b * square) / (1 + c * square)};
}

/// The smallest singular value, in the unit of the norm bound, that the rational methods take close
/// to 1. float32 can do no better: at 1e-4 the first matrix to be inverted, I + c R, is no longer
/// positive definite after rounding.
constexpr double rational_reach = 1e-3;

/// Two Halley steps on the Gram matrix. With H = (I + c R)^-1, p = b / c and q = a - p, a step
/// multiplies X by h = p I + q H and R by h^2, and R h^2 = p^2 R + (2 p q / c) I + ((q^2 - 2 p q) /
/// c) H - (q^2 / c) H^2 needs one product. Both matrices to be inverted have no eigenvalue below 1.
/// False if one is not positive definite after all, with X as it was.
template <class Ops>
bool dwh2(Ops& op) {
  constexpr int r = 0, h = 1, t = 2;
  const HalleyStep one = halley_step(rational_reach);
  const HalleyStep two = halley_step(one.reach);
  const double p1 = one.b / one.c, q1 = one.a - p1;
  const double p2 = two.b / two.c, q2 = two.a - p2;
  const double centre = 2 / (1 + two.reach);  // singular values in [reach, 1] to both sides of 1

  op.gram(r, t);
  op.combine(h, 1, {{one.c, r}}, Part::lower);
  if (!op.invert(h)) return false;
  op.combine(h, 0, {{1, h}}, Part::whole);
  // R <- I + c2 R h1^2 at once
  const double scale = two.c / one.c;
  op.combine(r, 1 + scale * 2 * p1 * q1,
             {{two.c * p1 * p1, r}, {scale * (q1 * q1 - 2 * p1 * q1), h}}, Part::lower);
  op.multiply(r, h, h, -scale * q1 * q1, 1, r);
  if (!op.invert(r)) return false;
  op.combine(r, 0, {{1, r}}, Part::whole);
  // centre (p1 I + q1 H1) (p2 I + q2 H2)
  op.combine(t, centre * p1 * p2, {{centre * q1 * p2, h}, {centre * p1 * q2, r}}, Part::lower);
  op.multiply(t, h, r, centre * q1 * q2, 1, t);
  op.combine(t, 0, {{1, t}}, Part::whole);
  op.finish(t, 0);
  return true;
}

/// s (constant + the sum of weight / (s^2 + pole)): the rational function of its degree that is
/// nearest to 1 on [1e-3, 1].
template <std::size_t count>
struct Zolotarev {
  double constant;
  std::array<std::array<double, 2>, count> poles;  // {weight, pole}
};

/// Largest error 0.202. The numbers are minimax on [1e-3, 1] and centred around 1.
/// Source   the function: Nakatsukasa and Freund, SIAM Review 58 (2016)
constexpr Zolotarev<2> zolotarev2{
    1.04510743524065, {{{0.00568898683875, 6.40773109754e-6}, {0.15209984733, 0.00526637856713}}}};

/// As above with three poles; largest error 0.062.
constexpr Zolotarev<3> zolotarev3{0.753580826101095,
                                  {{{0.0026948323766, 2.19700185094e-6},
                                    {0.0263829981303, 3.05334589395e-4},
                                    {0.289361810375, 0.0355927506026}}}};

/// No products of square matrices at all: one inverse a pole. False as for dwh2.
template <class Ops, std::size_t count>
bool zolotarev(Ops& op, const Zolotarev<count>& f) {
  constexpr int r = 0, h = 1, sum = 2;
  op.gram(r, h);
  op.combine(sum, f.constant, {}, Part::lower);
  for (const auto& [weight, pole] : f.poles) {
    op.combine(h, 1, {{1 / pole, r}}, Part::lower);  // (R + pole I) / pole
    if (!op.invert(h)) return false;
    op.combine(sum, 0, {{1, sum}, {weight / pole, h}}, Part::lower);
  }
  op.combine(sum, 0, {{1, sum}}, Part::whole);
  op.finish(sum, 0);
  return true;
}

/// What a matrix is divided by, given the upper bound of its largest singular value, for numbers or
/// for tensors of them. `Math` has `at_least(bound, eps)` and `one_where_zero(divisor)`.
template <class Math, class Number>
Number norm_divisor(const Number& bound, const OrthogonalizeOptions& options) {
  const Number divisor =
      options.norm_eps == NormEps::clamp ? Math::at_least(bound, options.eps) : bound + options.eps;
  return Math::one_where_zero(divisor);  // eps 0 and an all-zero matrix, which stays zero
}

/// Runs the method, and where a rational one fails, `fallback`, the steps of Polar Express,
/// which need no inverse. `ratio` = longer side / shorter side.
template <class Ops>
void orthogonalize(Ops& op, Method method, std::span<const NewtonSchulzStep> steps,
                   std::span<const NewtonSchulzStep> fallback, double ratio) {
  const auto iterate = [&](std::span<const NewtonSchulzStep> with) {
    op.prefers_gram_form(ratio) ? gram_newton_schulz(op, with) : newton_schulz(op, with);
  };
  bool done = true;
  switch (method) {
    case Method::zolotarev2: done = zolotarev(op, zolotarev2); break;
    case Method::zolotarev3: done = zolotarev(op, zolotarev3); break;
    case Method::newton_schulz:
      if (!steps.empty()) return iterate(steps);
      op.gram(0, 1);  // for the norm
      op.combine(1, 1, {}, Part::whole);
      return op.finish(1, 0);
    case Method::dwh2:
    case Method::automatic: done = dwh2(op); break;  // a backend has resolved automatic
  }
  if (!done) iterate(fallback);  // X is as it was
}

}  // namespace muon::polar
