// Products whose result is symmetric, and sums of symmetric matrices. Only the lower triangle of a
// product is computed, half the work; `combine_` mirrors it when it is needed whole. Matrices are
// row-major, [m, m] with `ld` values from one row to the next.
#pragma once

#include "kernels/blas.hpp"
#include "kernels/team.hpp"

#include <cstdint>
#include <initializer_list>

namespace muon::kernels {

/// A symmetric matrix of `m` rows in memory that it does not own.
template <class T>
struct SymmetricRef {
  T* data = nullptr;
  std::int64_t m = 0;
  std::int64_t ld = 0;

  T* at(std::int64_t row, std::int64_t col) const { return data + row * ld + col; }
};

/// A row-major matrix in memory that it does not own; `wide` if it has no more rows than columns.
template <class T>
struct MatrixRef {
  T* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t ld = 0;

  bool wide() const { return rows <= cols; }
  std::int64_t shorter() const { return wide() ? rows : cols; }
  std::int64_t longer() const { return wide() ? cols : rows; }
};

enum class Triangle { lower, both };

template <class T>
struct Term {
  T factor;
  SymmetricRef<T> matrix;
};

/// lower triangle of g <- beta g + alpha op(x) op(x)^T
template <class T>
void gram_(const Team& team, const SymmetricRef<T>& g, Op op, const MatrixRef<const T>& x, T alpha,
           T beta);

/// lower triangle of c <- beta c + alpha a b, for a, b stored whole, symmetric and commuting, so
/// that c is symmetric.
template <class T>
void multiply_(const Team& team, const SymmetricRef<T>& c, const SymmetricRef<T>& a,
               const SymmetricRef<T>& b, T alpha, T beta);

/// c <- diagonal I + the sum of the terms, whose lower triangles are read; c may be one of them.
/// With Triangle::both, mirrored.
template <class T>
void combine_(const Team& team, const SymmetricRef<T>& c, T diagonal,
              std::initializer_list<Term<T>> terms, Triangle result);

/// y <- beta y + alpha q x if x is wide, alpha x q if tall. q is stored whole.
template <class T>
void apply_(const Team& team, const MatrixRef<T>& y, const SymmetricRef<T>& q,
            const MatrixRef<const T>& x, T alpha, T beta);

}  // namespace muon::kernels
