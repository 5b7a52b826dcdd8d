#include <muon/matrix/matrix_view.hpp>

#include "files/sizes.hpp"
#include "matrix/shape_text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstddef>
#include <functional>
#include <numeric>
#include <stdexcept>
#include <utility>

namespace muon {
namespace {

[[noreturn]] void refuse(const std::string& what) {
  throw std::invalid_argument("[MatrixView] " + what);
}

/// After this check, products of the sizes cannot overflow.
void check_sizes(c10::IntArrayRef sizes) {
  if (sizes.size() < 2)
    refuse(fmt::format("shape {} holds no matrix; two or more dimensions are needed",
                       shape_text(sizes)));
  if (!extent_of_sizes(sizes)) {
    refuse(
        fmt::format("shape {} has a negative size, or more values than 64 bits can count; give a "
                    "tensor's sizes",
                    shape_text(sizes)));
  }
}

void check_chunks(std::int64_t count, std::int64_t rows) {
  if (rows == 0 || rows % count != 0)
    refuse(fmt::format("chunk_rows({}) does not divide the matrix's {} rows", count, rows));
}

/// Appends matrices to a list in which consecutive equal shapes are counted together.
void append(std::vector<MatrixShape>& list, const MatrixShape& more) {
  if (!list.empty() && list.back().rows == more.rows && list.back().cols == more.cols) {
    list.back().count += more.count;
  } else {
    list.push_back(more);
  }
}

}  // namespace

MatrixView MatrixView::matrix() { return MatrixView(Base::matrix); }
MatrixView MatrixView::flatten() { return MatrixView(Base::flatten); }
MatrixView MatrixView::stack() { return MatrixView(Base::stack); }

MatrixView MatrixView::then(Step step) const {
  MatrixView longer = *this;
  longer.steps_.push_back(std::move(step));
  return longer;
}

MatrixView MatrixView::split_rows(std::vector<std::int64_t> sizes) const {
  if (sizes.empty()) refuse("split_rows got no sizes; give the number of rows of each block");
  for (const std::int64_t size : sizes) {
    if (size <= 0)
      refuse(
          fmt::format("split_rows got a block of {} rows; every block needs at least one", size));
  }
  return then({Kind::split_rows, std::move(sizes)});
}

MatrixView MatrixView::chunk_rows(std::int64_t count) const {
  if (count <= 0) refuse(fmt::format("chunk_rows got {}; give a number of at least 1", count));
  return then({Kind::chunk_rows, {count}});
}

MatrixView MatrixView::transposed() const { return then({Kind::transposed, {}}); }

MatrixShape MatrixView::base_shape(c10::IntArrayRef sizes) const {
  check_sizes(sizes);
  const auto dims = sizes.size();
  Base base = base_;
  if (base == Base::automatic) {
    if (dims == 3) {
      refuse(
          fmt::format("shape {} may be a Conv1d or a stack of matrices, and its numbers differ; "
                      "say MatrixView::flatten() or MatrixView::stack()",
                      shape_text(sizes)));
    }
    base = dims == 2 ? Base::matrix : Base::flatten;
  }
  const auto product = [&](std::size_t first, std::size_t last) {
    return std::accumulate(sizes.begin() + first, sizes.begin() + last, std::int64_t{1},
                           std::multiplies<>());
  };
  if (base == Base::flatten) return {1, sizes[0], product(1, dims)};
  if (base == Base::stack) return {product(0, dims - 2), sizes[dims - 2], sizes[dims - 1]};
  if (dims != 2)
    refuse(fmt::format(
        "shape {} is not one matrix; say flatten() for a convolution, stack() for experts",
        shape_text(sizes)));
  return {1, sizes[0], sizes[1]};
}

std::vector<std::int64_t> MatrixView::row_blocks(const Step& step, std::int64_t rows) {
  if (step.kind == Kind::split_rows) {
    std::int64_t sum = 0;
    for (const std::int64_t size : step.sizes) {
      if (size > rows - sum) {
        refuse(fmt::format("split_rows({}) adds up to more than the matrix's {} rows",
                           fmt::join(step.sizes, ","), rows));
      }
      sum += size;
    }
    if (sum != rows) {
      refuse(fmt::format("split_rows({}) adds up to {} rows; the matrix has {}",
                         fmt::join(step.sizes, ","), sum, rows));
    }
    return step.sizes;
  }
  const std::int64_t count = step.sizes.front();
  check_chunks(count, rows);
  return std::vector<std::int64_t>(static_cast<std::size_t>(count), rows / count);
}

std::vector<MatrixShape> MatrixView::shapes(c10::IntArrayRef sizes) const {
  std::vector<MatrixShape> result{base_shape(sizes)};
  for (const Step& step : steps_) {
    std::vector<MatrixShape> next;
    for (const MatrixShape& shape : result) {
      switch (step.kind) {
        case Kind::transposed: next.push_back({shape.count, shape.cols, shape.rows}); break;
        // without listing the blocks, since a file may ask for any number of them
        case Kind::chunk_rows: {
          const std::int64_t count = step.sizes.front();
          check_chunks(count, shape.rows);
          append(next, {shape.count * count, shape.rows / count, shape.cols});
          break;
        }
        case Kind::split_rows:
          for (const std::int64_t rows : row_blocks(step, shape.rows))
            append(next, {shape.count, rows, shape.cols});
          break;
      }
    }
    result = std::move(next);
  }
  return result;
}

std::vector<MatrixBlock> MatrixView::blocks(c10::IntArrayRef sizes) const {
  const MatrixShape base = base_shape(sizes);
  std::vector<MatrixBlock> result{
      {0, base.count, base.rows * base.cols, base.rows, base.cols, base.cols, false}};
  for (const Step& step : steps_) {
    if (step.kind == Kind::transposed) {
      for (MatrixBlock& block : result) {
        std::swap(block.rows, block.cols);
        block.transposed = !block.transposed;
      }
      continue;
    }
    std::vector<MatrixBlock> next;
    for (const MatrixBlock& block : result) {
      // without values, any number of blocks lies at the same place
      if (step.kind == Kind::chunk_rows && block.cols == 0) {
        const std::int64_t count = step.sizes.front();
        check_chunks(count, block.rows);
        next.push_back({block.offset, block.count * count, 0, block.rows / count, 0, block.ld,
                        block.transposed});
        continue;
      }
      std::int64_t first = 0;
      for (const std::int64_t rows : row_blocks(step, block.rows)) {
        MatrixBlock part = block;
        part.offset += first * (block.transposed ? 1 : block.ld);
        part.rows = rows;
        next.push_back(part);
        first += rows;
      }
    }
    result = std::move(next);
  }
  return result;
}

std::vector<at::Tensor> MatrixView::matrices(const at::Tensor& tensor) const {
  if (!tensor.is_contiguous()) refuse("the tensor is not contiguous; call .contiguous() first");
  std::vector<at::Tensor> result;
  for (const MatrixBlock& block : blocks(tensor.sizes())) {
    result.push_back(tensor.as_strided(
        {block.count, block.rows, block.cols},
        {block.step, block.transposed ? 1 : block.ld, block.transposed ? block.ld : 1},
        tensor.storage_offset() + block.offset));
  }
  return result;
}

std::string MatrixView::to_string() const {
  static constexpr const char* names[] = {"automatic", "matrix", "flatten", "stack"};
  std::string text = names[static_cast<int>(base_)];
  for (const Step& step : steps_) {
    switch (step.kind) {
      case Kind::split_rows:
        text += fmt::format(".split_rows({})", fmt::join(step.sizes, ","));
        break;
      case Kind::chunk_rows: text += fmt::format(".chunk_rows({})", step.sizes.front()); break;
      case Kind::transposed: text += ".transposed"; break;
    }
  }
  return text;
}

}  // namespace muon
