// The inverse of a symmetric positive definite matrix.
#pragma once

#include "kernels/symmetric.hpp"

namespace muon::kernels {

/// Lower triangle of a <- that of a^-1. What is above the diagonal is not used, and parts of it are
/// overwritten. False, with `a` destroyed, if it is not positive definite to working precision.
///
/// Stack    33 KB for doubles, 17 KB for floats.
/// Cost     m^3 / 2 multiply-adds, half of a matrix product, nearly all of it in products.
///
/// Method   a = L L^T, M = L^-1 in the same recursion over halves, then M^T M. Only blocks on the
///          diagonal are inverted as such, so the error is that of the Cholesky factorization. A
///          recursion on Schur complements would be shorter and loses all digits in float32 at
///          condition numbers of 1e4.
template <class T>
bool cholesky_inverse_(const Team& team, const SymmetricRef<T>& a);

}  // namespace muon::kernels
