// The inverse of a symmetric positive definite matrix.
#pragma once

#include "kernels/symmetric.hpp"

namespace muon::kernels {

/// Lower triangle of a <- that of a^-1. Reads and writes the lower triangle only. False, with `a`
/// in pieces, if it is not positive definite to working precision.
///
/// Cost     m^3 / 2 multiply-adds, half of a matrix product, nearly all of it in products.
///
/// Method   a = L L^T, M = L^-1 in the same recursion over halves, then M^T M. Only blocks on the
///          diagonal are inverted as such, so the error is that of the Cholesky factorization. A
///          recursion on Schur complements would be shorter and loses all digits in float32 at
///          condition numbers of 1e4.
template <class T>
bool cholesky_inverse_(const Team& team, const SymmetricRef<T>& a);

}  // namespace muon::kernels
