// muon/matrix/matrix_view.hpp: which matrices a parameter holds.
//
// Muon works on matrices, networks store tensors: a convolution is one matrix spread over four
// dimensions, a fused query-key-value weight is three matrices in one, a mixture of experts is a
// stack of them. A MatrixView describes how to read the one as the other. Orthogonalization and the
// scale of the learning rate read the view and never the tensor's own sizes.
#pragma once

#include <muon/export.hpp>

#include <ATen/core/Tensor.h>
#include <c10/util/ArrayRef.h>

#include <cstdint>
#include <string>
#include <vector>

namespace muon {

/// `count` matrices of `rows` x `cols` that follow each other in a parameter. In LibTorch's layout
/// a Linear's rows are its outputs and its columns its inputs.
struct MatrixShape {
  std::int64_t count = 1;
  std::int64_t rows = 0;
  std::int64_t cols = 0;

  friend bool operator==(const MatrixShape& left, const MatrixShape& right) {
    return left.count == right.count && left.rows == right.rows && left.cols == right.cols;
  }
  friend bool operator!=(const MatrixShape& left, const MatrixShape& right) {
    return !(left == right);
  }
};

/// `count` matrices of one shape and where they lie in a contiguous tensor. All distances are in
/// values: the first matrix begins at `offset`, and each of the others `step` after the previous
/// one. Within a matrix, rows are `ld` apart; if it is `transposed`, columns are.
struct MatrixBlock {
  std::int64_t offset = 0;
  std::int64_t count = 1;
  std::int64_t step = 0;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t ld = 0;
  bool transposed = false;
};

/// A way to read a tensor as matrices: a base (how dimensions become rows and columns), then steps
/// applied in order. A step leaves the view alone and returns a longer one.
///
///     matrix()                             [m, n]             one m x n: a Linear's weight
///     flatten()                            [out, in, kh, kw]  one out x (in kh kw): a convolution
///     stack()                              [e, m, n]          e matrices of m x n: experts
///     matrix().split_rows({d, d, d})       [3d, d]            three d x d: a fused query, key, value
///     matrix().split_rows({4096, 1024, 1024})
///                                          [6144, 4096]       the same with grouped-query attention
///     matrix().chunk_rows(12)              [12*64, 768]       twelve 64 x 768: attention heads
///     matrix().transposed()                [in, out]          out x in: stored the other way round
///     matrix().transposed().chunk_rows(12) [768, 12*64]       twelve 64 x 768: heads by columns
///
/// A default-constructed view is `automatic`: two dimensions are a matrix, four or more a
/// convolution. It refuses three dimensions, because a Conv1d and a stack of experts look the same;
/// use `flatten()` or `stack()`. `describe(model)` knows the type of the module and chooses one of
/// these itself.
///
/// Safety   A value; cheap to copy. Reads no tensor until `matrices` is called.
class MUON_API MatrixView {
 public:
  MatrixView() = default;
  [[nodiscard]] static MatrixView matrix();
  [[nodiscard]] static MatrixView flatten();
  [[nodiscard]] static MatrixView stack();

  /// Cuts every matrix into row blocks of these sizes. They must add up to its rows.
  [[nodiscard]] MatrixView split_rows(std::vector<std::int64_t> sizes) const;

  /// Cuts every matrix into `count` row blocks of equal size. `count` must divide its rows, of
  /// which there must be at least one.
  [[nodiscard]] MatrixView chunk_rows(std::int64_t count) const;

  /// Exchanges rows and columns. The orthogonal factor is transposed with it; what changes is the
  /// scale of the learning rate, which depends on which side is the output.
  [[nodiscard]] MatrixView transposed() const;

  /// The matrices that a tensor of these sizes holds, in order. Consecutive matrices of equal shape
  /// are counted together.
  /// Errors   std::invalid_argument if the view does not fit the sizes (too few dimensions, an
  ///          ambiguous three, blocks that do not add up to the rows), if a size is negative, or if
  ///          the number of values does not fit in 64 bits.
  [[nodiscard]] std::vector<MatrixShape> shapes(c10::IntArrayRef sizes) const;

  /// Where the matrices lie in memory, in order, if the tensor is contiguous. Errors as for
  /// `shapes`.
  [[nodiscard]] std::vector<MatrixBlock> blocks(c10::IntArrayRef sizes) const;

  /// The matrices of `tensor` as views [count, rows, cols] into its memory; writing to them writes
  /// to `tensor`.
  /// Errors   as for `shapes`; std::invalid_argument if `tensor` is not contiguous.
  [[nodiscard]] std::vector<at::Tensor> matrices(const at::Tensor& tensor) const;

  /// The view as text, for plans and files: "matrix", "flatten", "matrix.split_rows(4,4,8)",
  /// "matrix.transposed.chunk_rows(2)".
  [[nodiscard]] std::string to_string() const;

  friend bool operator==(const MatrixView& left, const MatrixView& right) {
    return left.base_ == right.base_ && left.steps_ == right.steps_;
  }
  friend bool operator!=(const MatrixView& left, const MatrixView& right) {
    return !(left == right);
  }

 private:
  enum class Base { automatic, matrix, flatten, stack };
  enum class Kind { split_rows, chunk_rows, transposed };
  struct Step {
    Kind kind;
    std::vector<std::int64_t> sizes;
    friend bool operator==(const Step& left, const Step& right) {
      return left.kind == right.kind && left.sizes == right.sizes;
    }
  };

  explicit MatrixView(Base base) : base_(base) {}
  MatrixView then(Step step) const;
  MatrixShape base_shape(c10::IntArrayRef sizes) const;
  static std::vector<std::int64_t> row_blocks(const Step& step, std::int64_t rows);

  Base base_ = Base::automatic;
  std::vector<Step> steps_;
};

}  // namespace muon
