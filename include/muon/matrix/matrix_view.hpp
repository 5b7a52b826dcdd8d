// muon/matrix/matrix_view.hpp: which matrices a parameter holds.
//
// Muon works on matrices, networks store tensors: a convolution is one matrix spread over four dimensions, a fused
// query-key-value weight is three matrices in one, a mixture of experts is a stack of them. A MatrixView says how to read
// the one as the other. Orthogonalization and the scale of the learning rate read the view and never the tensor's own sizes.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/ArrayRef.h>

#include <cstdint>
#include <string>
#include <vector>

namespace muon {

/// `count` matrices of `rows` x `cols` that follow each other in a parameter. In LibTorch's layout a Linear's rows are its
/// outputs and its columns its inputs.
struct MatrixShape {
  std::int64_t count = 1;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  friend bool operator==(const MatrixShape&, const MatrixShape&) = default;
};

/// `count` matrices of one shape and where they lie in a contiguous tensor, in values: the first at `offset`, each `step` after
/// the one before. A matrix whose rows are `ld` apart; if `transposed`, whose columns are.
struct MatrixBlock {
  std::int64_t offset = 0;
  std::int64_t count = 1;
  std::int64_t step = 0;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t ld = 0;
  bool transposed = false;
};

/// A way to read a tensor as matrices: a base (how dimensions become rows and columns), then steps applied in order.
///
///     MatrixView::matrix()                      // [m, n]              one m x n: a Linear's weight
///     MatrixView::flatten()                     // [out, in, kh, kw]   one out x (in*kh*kw): a convolution
///     MatrixView::stack()                       // [e, m, n]           e matrices of m x n: experts
///     MatrixView::matrix().split_rows({d, d, d})  // [3d, d]           three d x d: a fused query, key, value
///     MatrixView::matrix().split_rows({4096, 1024, 1024})              grouped-query attention
///     MatrixView::matrix().chunk_rows(12)            // [12*64, 768]        twelve 64 x 768: one a head
///     MatrixView::matrix().transposed()         // [in, out]           out x in: weights stored the other way round
///     MatrixView::matrix().transposed().chunk_rows(12)  // heads along the columns
///
/// A default-made view is `automatic`: two dimensions are a matrix, four or more a convolution. Three dimensions are refused
/// there, because a Conv1d and a stack of experts look the same; say `flatten()` or `stack()`. `describe(model)` knows the
/// owner's type and never needs to guess.
///
/// Safety   A value; cheap to copy. Reads no tensor until `matrices` is called.
class MatrixView {
 public:
  MatrixView() = default;
  static MatrixView matrix();
  static MatrixView flatten();
  static MatrixView stack();

  /// Cuts every matrix into row blocks of these sizes. They must add up to its rows.
  MatrixView split_rows(std::vector<std::int64_t> sizes) const;

  /// Cuts every matrix into `count` row blocks of equal size. `count` must divide its rows.
  MatrixView chunk_rows(std::int64_t count) const;

  /// Exchanges rows and columns. The orthogonal factor is transposed with it; what changes is the scale of the learning
  /// rate, which depends on which side is the output.
  MatrixView transposed() const;

  /// The matrices a tensor of these sizes holds, in order, equal neighbours counted together.
  /// Errors   std::invalid_argument if the view does not fit the sizes: too few dimensions, an ambiguous three, sizes that do
  ///          not add up.
  std::vector<MatrixShape> shapes(c10::IntArrayRef sizes) const;

  /// Where they lie, in order, if the tensor is contiguous. Errors as `shapes`.
  std::vector<MatrixBlock> blocks(c10::IntArrayRef sizes) const;

  /// The matrices of `tensor` as views [count, rows, cols] into its memory; writing to them writes to `tensor`.
  /// Errors   as `shapes`; std::invalid_argument if `tensor` is not contiguous.
  std::vector<at::Tensor> matrices(const at::Tensor& tensor) const;

  /// The view as text, for plans and files: "matrix", "flatten", "matrix.split_rows(4,4,8)", "matrix.transposed.chunk_rows(2)".
  std::string to_string() const;

  friend bool operator==(const MatrixView&, const MatrixView&) = default;

 private:
  enum class Base { automatic, matrix, flatten, stack };
  enum class Kind { split_rows, chunk_rows, transposed };
  struct Step {
    Kind kind;
    std::vector<std::int64_t> sizes;
    friend bool operator==(const Step&, const Step&) = default;
  };

  explicit MatrixView(Base base) : base_(base) {}
  MatrixView then(Step step) const;
  MatrixShape base_shape(c10::IntArrayRef sizes) const;
  static std::vector<std::int64_t> row_blocks(const Step& step, std::int64_t rows);

  Base base_ = Base::automatic;
  std::vector<Step> steps_;
};

}  // namespace muon
