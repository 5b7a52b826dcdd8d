#include "kernels/symmetric.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace muon::kernels {
namespace {

constexpr std::int64_t tile = 32;  // of combine_: two tiles fit the first-level cache

/// Products narrower than this are slow, so it is where the halving of a triangle ends.
constexpr std::int64_t smallest_triangle = 96;

std::int64_t panels(std::int64_t m, std::int64_t rows) { return (m + rows - 1) / rows; }

/// Calls rectangle(rows, count, cols, count) and triangle(first, count) so that together they cover
/// a lower triangle of m rows: shared out over the team by equal areas.
template <class RectanglePart, class TrianglePart>
void cover_triangle(const Team& team, std::int64_t m, const RectanglePart& rectangle,
                    const TrianglePart& triangle) {
  const std::int64_t count = m < 2 * smallest_triangle ? 1 : team.size();
  const auto border = [&](std::int64_t i) {  // rows above it hold i / count of the area
    if (i == count) return m;
    return static_cast<std::int64_t>(
               std::sqrt(static_cast<double>(i) / static_cast<double>(count)) *
               static_cast<double>(m)) /
           16 * 16;
  };
  team.each(count, [&](std::int64_t task) {
    const std::int64_t i = count - 1 - task;
    const std::int64_t first = border(i);
    const std::int64_t rows = border(i + 1) - first;
    if (first > 0) rectangle(first, rows, 0, first);
    triangle(first, rows);
  });
}

/// lower triangle of c <- beta c + alpha a b on rows and columns [first, first + rows)
template <class T>
void multiply_triangle(const SymmetricRef<T>& c, const SymmetricRef<T>& a, const SymmetricRef<T>& b,
                       T alpha, T beta, std::int64_t first, std::int64_t rows) {
  const std::int64_t half = rows < 2 * smallest_triangle ? 0 : rows / 32 * 16;
  if (half > 0) multiply_triangle(c, a, b, alpha, beta, first, half);
  const std::int64_t rest = rows - half;
  if (half > 0) {
    gemm(Op::plain, Op::plain, rest, half, c.m, alpha, a.at(first + half, 0), a.ld, b.at(0, first),
         b.ld, beta, c.at(first + half, first), c.ld);
    return multiply_triangle(c, a, b, alpha, beta, first + half, rest);
  }
  gemm(Op::plain, Op::plain, rows, rows, c.m, alpha, a.at(first, 0), a.ld, b.at(0, first), b.ld,
       beta, c.at(first, first), c.ld);
}

/// One tile row of combine_: rows [first, last) of c and, mirrored, the same columns.
template <class T, int count>
inline __attribute__((always_inline)) void combine_rows(const SymmetricRef<T>& c, T diagonal,
                                                        const std::array<Term<T>, 3>& terms,
                                                        std::int64_t first, std::int64_t last,
                                                        bool mirror) {
  for (std::int64_t left = 0; left < last; left += tile) {
    for (std::int64_t i = first; i < last; ++i) {
      const std::int64_t end = std::min(left + tile, i + 1);
      T* const out = c.at(i, 0);
      const T* const a = terms[0].matrix.at(i, 0);
      const T* const b = terms[count > 1 ? 1 : 0].matrix.at(i, 0);
      const T* const d = terms[count > 2 ? 2 : 0].matrix.at(i, 0);
      const T fa = terms[0].factor;
      const T fb = terms[1].factor;
      const T fd = terms[2].factor;
#pragma omp simd
      for (std::int64_t j = left; j < end; ++j) {
        T sum = 0;
        if constexpr (count > 0) sum += fa * a[j];
        if constexpr (count > 1) sum += fb * b[j];
        if constexpr (count > 2) sum += fd * d[j];
        out[j] = sum;
      }
      if (i >= left && i < left + tile) out[i] += diagonal;
    }
    if (!mirror) continue;
    for (std::int64_t j = left; j < std::min(left + tile, last); ++j) {
      T* const out = c.at(j, 0);
      const T* const column = c.at(0, j);
      for (std::int64_t i = std::max(first, j + 1); i < last; ++i) out[i] = column[i * c.ld];
    }
  }
}

MUON_VECTORIZED void combine_rows_of(const SymmetricRef<float>& c, float diagonal,
                                     const std::array<Term<float>, 3>& terms, std::size_t count,
                                     std::int64_t first, std::int64_t last, bool mirror) {
  if (count == 0) return combine_rows<float, 0>(c, diagonal, terms, first, last, mirror);
  if (count == 1) return combine_rows<float, 1>(c, diagonal, terms, first, last, mirror);
  if (count == 2) return combine_rows<float, 2>(c, diagonal, terms, first, last, mirror);
  combine_rows<float, 3>(c, diagonal, terms, first, last, mirror);
}

MUON_VECTORIZED void combine_rows_of(const SymmetricRef<double>& c, double diagonal,
                                     const std::array<Term<double>, 3>& terms, std::size_t count,
                                     std::int64_t first, std::int64_t last, bool mirror) {
  if (count == 0) return combine_rows<double, 0>(c, diagonal, terms, first, last, mirror);
  if (count == 1) return combine_rows<double, 1>(c, diagonal, terms, first, last, mirror);
  if (count == 2) return combine_rows<double, 2>(c, diagonal, terms, first, last, mirror);
  combine_rows<double, 3>(c, diagonal, terms, first, last, mirror);
}

}  // namespace

template <class T>
void gram_(const Team& team, const SymmetricRef<T>& g, Op op, const MatrixRef<const T>& x, T alpha,
           T beta) {
  const bool plain = op == Op::plain;
  const std::int64_t n = plain ? x.cols : x.rows;
  const auto from = [&](std::int64_t row) { return x.data + row * (plain ? x.ld : 1); };
  const Op other = plain ? Op::transposed : Op::plain;
  cover_triangle(
      team, plain ? x.rows : x.cols,
      [&](std::int64_t row, std::int64_t rows, std::int64_t col, std::int64_t cols) {
        gemm(op, other, rows, cols, n, alpha, from(row), x.ld, from(col), x.ld, beta,
             g.at(row, col), g.ld);
      },
      [&](std::int64_t first, std::int64_t rows) {
        // on small matrices syrk is slower than the whole product
        if (rows <= 64)
          return gemm(op, other, rows, rows, n, alpha, from(first), x.ld, from(first), x.ld, beta,
                      g.at(first, first), g.ld);
        syrk(op, rows, n, alpha, from(first), x.ld, beta, g.at(first, first), g.ld);
      });
}

template <class T>
void multiply_(const Team& team, const SymmetricRef<T>& c, const SymmetricRef<T>& a,
               const SymmetricRef<T>& b, T alpha, T beta) {
  if (a.data == b.data)
    return gram_(team, c, Op::plain, MatrixRef<const T>{a.data, a.m, a.m, a.ld}, alpha, beta);
  cover_triangle(
      team, c.m,
      [&](std::int64_t row, std::int64_t rows, std::int64_t col, std::int64_t cols) {
        gemm(Op::plain, Op::plain, rows, cols, c.m, alpha, a.at(row, 0), a.ld, b.at(0, col), b.ld,
             beta, c.at(row, col), c.ld);
      },
      [&](std::int64_t first, std::int64_t rows) {
        multiply_triangle(c, a, b, alpha, beta, first, rows);
      });
}

template <class T>
void combine_(const Team& team, const SymmetricRef<T>& c, T diagonal,
              std::initializer_list<Term<T>> terms, Triangle result) {
  std::array<Term<T>, 3> all{};
  std::copy(terms.begin(), terms.end(), all.begin());
  const std::int64_t count = panels(c.m, tile);
  team.each(count, [&](std::int64_t task) {
    const std::int64_t first = (count - 1 - task) * tile;
    combine_rows_of(c, diagonal, all, terms.size(), first, std::min(c.m, first + tile),
                    result == Triangle::both);
  });
}

template <class T>
void apply_(const Team& team, const MatrixRef<T>& y, const SymmetricRef<T>& q,
            const MatrixRef<const T>& x, T alpha, T beta) {
  const std::int64_t m = x.shorter();
  const std::int64_t n = x.longer();
  const std::int64_t width =
      team.size() == 1 ? n : std::max<std::int64_t>(64, (n / (2 * team.size()) + 15) / 16 * 16);
  team.each(panels(n, width), [&](std::int64_t task) {
    const std::int64_t first = task * width;
    const std::int64_t count = std::min(n, first + width) - first;
    if (x.wide()) {
      gemm(Op::plain, Op::plain, m, count, m, alpha, q.data, q.ld, x.data + first, x.ld, beta,
           y.data + first, y.ld);
    } else {
      gemm(Op::plain, Op::plain, count, m, m, alpha, x.data + first * x.ld, x.ld, q.data, q.ld,
           beta, y.data + first * y.ld, y.ld);
    }
  });
}

#define MUON_INSTANTIATE(T)                                                                      \
  template void gram_(const Team&, const SymmetricRef<T>&, Op, const MatrixRef<const T>&, T, T); \
  template void multiply_(const Team&, const SymmetricRef<T>&, const SymmetricRef<T>&,           \
                          const SymmetricRef<T>&, T, T);                                         \
  template void combine_(const Team&, const SymmetricRef<T>&, T, std::initializer_list<Term<T>>, \
                         Triangle);                                                              \
  template void apply_(const Team&, const MatrixRef<T>&, const SymmetricRef<T>&,                 \
                       const MatrixRef<const T>&, T, T);
MUON_INSTANTIATE(float)
MUON_INSTANTIATE(double)
#undef MUON_INSTANTIATE

}  // namespace muon::kernels
