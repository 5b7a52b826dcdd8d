#include "kernels/cholesky_inverse.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace muon::kernels {
namespace {

constexpr std::int64_t block = 64;

// These functions run on the stacks of OpenMP's threads, which OMP_STACKSIZE sets and which also
// hold BLAS's frames and all thread-local variables. So a function keeps one block and one row
// there, 32.5 KB of doubles.
static_assert(sizeof(double) * (block + 1) * block < 34 << 10);

// GCC splits a vector of this size into as many as the instruction set needs.
constexpr std::int64_t lane_bytes = 64;

/// row <- row - the sum of factors[k] rows[k] for k < count, on `vectors` vectors of columns, which
/// stay in registers.
template <class T, int vectors>
inline __attribute__((always_inline)) void subtract_lanes(T* row, const T* rows, const T* factors,
                                                          std::int64_t count) {
  constexpr std::int64_t lanes = lane_bytes / sizeof(T);
  using Vector [[gnu::vector_size(lane_bytes)]] = T;
  Vector sum[vectors];
  std::memcpy(sum, row, sizeof sum);
  for (std::int64_t k = 0; k < count; ++k) {
    const T factor = factors[k * block];
#pragma GCC unroll 8
    for (std::int64_t c = 0; c < vectors; ++c) {
      Vector other;
      std::memcpy(&other, rows + k * block + c * lanes, sizeof other);
      sum[c] -= factor * other;
    }
  }
  std::memcpy(row, sum, sizeof sum);
}

/// The same for columns [first, last), rounded outwards to whole vectors.
template <class T>
inline __attribute__((always_inline)) void subtract_rows(T* row, const T* rows, const T* factors,
                                                         std::int64_t count, std::int64_t first,
                                                         std::int64_t last) {
  constexpr std::int64_t lanes = lane_bytes / sizeof(T);
  std::int64_t c = first / lanes * lanes;
  for (; c + 3 * lanes < last; c += 4 * lanes)
    subtract_lanes<T, 4>(row + c, rows + c, factors, count);
  for (; c + lanes < last; c += 2 * lanes) subtract_lanes<T, 2>(row + c, rows + c, factors, count);
  for (; c < last; c += lanes) subtract_lanes<T, 1>(row + c, rows + c, factors, count);
}

/// a, at most block x block, lower triangle read <- the inverse of its Cholesky factor.
template <class T>
inline __attribute__((always_inline)) bool invert_block(T* a, std::int64_t ld, std::int64_t size) {
  // First L^T, so that its rows are contiguous. The inverse then replaces it column by column: its
  // row i needs column i of L^T, and of the columns before that only rows of the inverse.
  alignas(64) T m[block * block];
  alignas(64) T row[block];
  for (std::int64_t i = 0; i < block; ++i) {
    for (std::int64_t j = 0; j < block; ++j) m[i * block + j] = i == j ? T{1} : T{0};
  }
  for (std::int64_t i = 0; i < size; ++i) {
    for (std::int64_t j = i; j < size; ++j) m[i * block + j] = a[j * ld + i];
  }
  for (std::int64_t i = 0; i < size; ++i) {
    T* const factor = m + i * block;
    subtract_rows(factor, m, m + i, i, i, size);
    const T pivot = factor[i];
    if (!(pivot > 0) || !std::isfinite(pivot)) return false;
    const T reciprocal = 1 / std::sqrt(pivot);
    for (std::int64_t c = 0; c < i; ++c) factor[c] = 0;
    for (std::int64_t c = i; c < block; ++c) factor[c] *= reciprocal;
  }
  for (std::int64_t i = 0; i < size; ++i) {
    T* const inverse = m + i * block;
    std::fill_n(row, block, T{0});
    subtract_rows(row, m, m + i, i, 0, i);  // from column i on, this leaves nothing of use
    const T reciprocal = 1 / inverse[i];
    for (std::int64_t c = 0; c < i; ++c) inverse[c] = row[c] * reciprocal;
    inverse[i] = reciprocal;
    for (std::int64_t k = 0; k < i; ++k) m[k * block + i] = 0;
  }
  for (std::int64_t i = 0; i < size; ++i) std::copy_n(m + i * block, i + 1, a + i * ld);
  return true;
}

/// lower triangle of a <- that of m^T m, m the lower triangle of a, at most block x block.
template <class T>
inline __attribute__((always_inline)) void square_block(T* a, std::int64_t ld, std::int64_t size) {
  alignas(64) T m[block * block] = {};
  alignas(64) T row[block];
  for (std::int64_t i = 0; i < size; ++i) std::copy_n(a + i * ld, i + 1, m + i * block);
  for (std::int64_t i = 0; i < size; ++i) {
    // minus the sum over k >= i of m[k][i] times row k
    std::fill_n(row, block, T{0});
    subtract_rows(row, m + i * block, m + i * block + i, size - i, 0, i + 1);
    for (std::int64_t j = 0; j <= i; ++j) a[i * ld + j] = -row[j];
  }
}

MUON_VECTORIZED bool invert_diagonal(float* a, std::int64_t ld, std::int64_t size) {
  return invert_block(a, ld, size);
}
MUON_VECTORIZED bool invert_diagonal(double* a, std::int64_t ld, std::int64_t size) {
  return invert_block(a, ld, size);
}
MUON_VECTORIZED void square_diagonal(float* a, std::int64_t ld, std::int64_t size) {
  square_block(a, ld, size);
}
MUON_VECTORIZED void square_diagonal(double* a, std::int64_t ld, std::int64_t size) {
  square_block(a, ld, size);
}

/// One thread of a team does matrices up to this size alone: cheaper than waiting for each other.
constexpr std::int64_t one_thread = 128;

/// The first half of a matrix of `size` rows, in whole blocks.
std::int64_t first_half(std::int64_t size) { return (size / 2 + block - 1) / block * block; }

template <class T>
SymmetricRef<T> part(const SymmetricRef<T>& a, std::int64_t first, std::int64_t size) {
  return {a.at(first, first), size, a.ld};
}

/// b [rows, cols] <- alpha op(l) b or alpha b op(l), by the columns or rows of b that do not depend
/// on each other
template <class T>
void multiply_by_triangle_(const Team& team, Side side, Op op, T alpha, const SymmetricRef<T>& l,
                           T* b, std::int64_t rows, std::int64_t cols) {
  const std::int64_t free = side == Side::left ? cols : rows;
  const std::int64_t chunk = std::max<std::int64_t>(64, (free / team.size() + 15) / 16 * 16);
  team.each((free + chunk - 1) / chunk, [&](std::int64_t i) {
    const std::int64_t first = i * chunk;
    const std::int64_t count = std::min(chunk, free - first);
    if (side == Side::left) {
      trmm(side, op, rows, count, alpha, l.data, l.ld, b + first, l.ld);
    } else {
      trmm(side, op, count, cols, alpha, l.data, l.ld, b + first * l.ld, l.ld);
    }
  });
}

/// lower triangle of a <- the inverse of its Cholesky factor
template <class T>
bool invert_factor_(const Team& team, const SymmetricRef<T>& a) {
  if (team.size() > 1 && a.m <= one_thread)
    return team.succeeds([&] { return invert_factor_(Team(), a); });
  if (a.m <= block) return invert_diagonal(a.data, a.ld, a.m);
  const std::int64_t half = first_half(a.m);
  const std::int64_t rest = a.m - half;
  const SymmetricRef<T> upper = part(a, 0, half);
  const SymmetricRef<T> lower = part(a, half, rest);
  T* const left = a.at(half, 0);
  if (!invert_factor_(team, upper)) return false;
  // L21 = A21 L11^-T
  multiply_by_triangle_(team, Side::right, Op::transposed, T{1}, upper, left, rest, half);
  // A22 - L21 L21^T
  gram_(team, lower, Op::plain, MatrixRef<const T>{left, rest, half, a.ld}, T{-1}, T{1});
  if (!invert_factor_(team, lower)) return false;
  // M21 = -M22 L21 M11
  multiply_by_triangle_(team, Side::left, Op::plain, T{-1}, lower, left, rest, half);
  multiply_by_triangle_(team, Side::right, Op::plain, T{1}, upper, left, rest, half);
  return true;
}

/// lower triangle of a <- that of m^T m, m the lower triangle of a
template <class T>
void square_factor_(const Team& team, const SymmetricRef<T>& a) {
  if (team.size() > 1 && a.m <= one_thread) return team.once([&] { square_factor_(Team(), a); });
  if (a.m <= block) return square_diagonal(a.data, a.ld, a.m);
  const std::int64_t half = first_half(a.m);
  const std::int64_t rest = a.m - half;
  T* const left = a.at(half, 0);
  square_factor_(team, part(a, 0, half));
  gram_(team, part(a, 0, half), Op::transposed, MatrixRef<const T>{left, rest, half, a.ld}, T{1},
        T{1});
  multiply_by_triangle_(team, Side::left, Op::transposed, T{1}, part(a, half, rest), left, rest,
                        half);
  square_factor_(team, part(a, half, rest));
}

}  // namespace

template <class T>
bool cholesky_inverse_(const Team& team, const SymmetricRef<T>& a) {
  if (!invert_factor_(team, a)) return false;
  square_factor_(team, a);
  return true;
}

template bool cholesky_inverse_(const Team&, const SymmetricRef<float>&);
template bool cholesky_inverse_(const Team&, const SymmetricRef<double>&);

}  // namespace muon::kernels
