// BLAS routines as overloads for row-major matrices. BLAS computes in the calling thread; the
// parallelism is this library's own (see team.hpp).
#pragma once

#include <cblas.h>

#include <cstdint>

namespace muon::kernels {

enum class Op { plain, transposed };

inline CBLAS_TRANSPOSE cblas_op(Op op) { return op == Op::plain ? CblasNoTrans : CblasTrans; }

/// c [m, n] <- beta c + alpha op(a) [m, k] op(b) [k, n]
inline void gemm(Op op_a, Op op_b, std::int64_t m, std::int64_t n, std::int64_t k, float alpha,
                 const float* a, std::int64_t lda, const float* b, std::int64_t ldb, float beta,
                 float* c, std::int64_t ldc) {
  cblas_sgemm(CblasRowMajor, cblas_op(op_a), cblas_op(op_b), static_cast<int>(m),
              static_cast<int>(n), static_cast<int>(k), alpha, a, static_cast<int>(lda), b,
              static_cast<int>(ldb), beta, c, static_cast<int>(ldc));
}
inline void gemm(Op op_a, Op op_b, std::int64_t m, std::int64_t n, std::int64_t k, double alpha,
                 const double* a, std::int64_t lda, const double* b, std::int64_t ldb, double beta,
                 double* c, std::int64_t ldc) {
  cblas_dgemm(CblasRowMajor, cblas_op(op_a), cblas_op(op_b), static_cast<int>(m),
              static_cast<int>(n), static_cast<int>(k), alpha, a, static_cast<int>(lda), b,
              static_cast<int>(ldb), beta, c, static_cast<int>(ldc));
}

/// lower triangle of c [m, m] <- beta c + alpha op(a) op(a)^T, op(a) [m, k]
inline void syrk(Op op_a, std::int64_t m, std::int64_t k, float alpha, const float* a,
                 std::int64_t lda, float beta, float* c, std::int64_t ldc) {
  cblas_ssyrk(CblasRowMajor, CblasLower, cblas_op(op_a), static_cast<int>(m), static_cast<int>(k),
              alpha, a, static_cast<int>(lda), beta, c, static_cast<int>(ldc));
}
inline void syrk(Op op_a, std::int64_t m, std::int64_t k, double alpha, const double* a,
                 std::int64_t lda, double beta, double* c, std::int64_t ldc) {
  cblas_dsyrk(CblasRowMajor, CblasLower, cblas_op(op_a), static_cast<int>(m), static_cast<int>(k),
              alpha, a, static_cast<int>(lda), beta, c, static_cast<int>(ldc));
}

enum class Side { left, right };

/// b [m, n] <- alpha op(l) b, or alpha b op(l) on the right; l is lower triangular.
inline void trmm(Side side, Op op_l, std::int64_t m, std::int64_t n, float alpha, const float* l,
                 std::int64_t ldl, float* b, std::int64_t ldb) {
  cblas_strmm(CblasRowMajor, side == Side::left ? CblasLeft : CblasRight, CblasLower,
              cblas_op(op_l), CblasNonUnit, static_cast<int>(m), static_cast<int>(n), alpha, l,
              static_cast<int>(ldl), b, static_cast<int>(ldb));
}
inline void trmm(Side side, Op op_l, std::int64_t m, std::int64_t n, double alpha, const double* l,
                 std::int64_t ldl, double* b, std::int64_t ldb) {
  cblas_dtrmm(CblasRowMajor, side == Side::left ? CblasLeft : CblasRight, CblasLower,
              cblas_op(op_l), CblasNonUnit, static_cast<int>(m), static_cast<int>(n), alpha, l,
              static_cast<int>(ldl), b, static_cast<int>(ldb));
}

}  // namespace muon::kernels
