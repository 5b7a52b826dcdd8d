// MatrixView: shapes, matrices in place, text, errors.
#include "support/errors.hpp"

#include <muon/matrix/matrix_view.hpp>

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using muon::MatrixShape;
using muon::MatrixView;
using Sizes = std::vector<std::int64_t>;
using Shapes = std::vector<MatrixShape>;

void expect_error(const std::function<void()>& action, const std::vector<std::string>& words) {
  const std::string text = message_of<std::invalid_argument>(action);
  EXPECT_EQ(text.rfind("[MatrixView] ", 0), 0u) << text;
  expect_mentions(text, words);
}

TEST(MatrixViewShapes, AutomaticTakesAMatrixOrAConvolution) {
  EXPECT_EQ(MatrixView().shapes(Sizes{3, 4}), (Shapes{{1, 3, 4}}));
  EXPECT_EQ(MatrixView().shapes(Sizes{8, 3, 2, 2}), (Shapes{{1, 8, 12}}));
  EXPECT_EQ(MatrixView().shapes(Sizes{8, 3, 2, 2, 2}), (Shapes{{1, 8, 24}}));
}

TEST(MatrixViewShapes, OfBases) {
  EXPECT_EQ(MatrixView::matrix().shapes(Sizes{3, 4}), (Shapes{{1, 3, 4}}));
  EXPECT_EQ(MatrixView::flatten().shapes(Sizes{3, 4}), (Shapes{{1, 3, 4}}));
  EXPECT_EQ(MatrixView::flatten().shapes(Sizes{8, 3, 5}), (Shapes{{1, 8, 15}}));
  EXPECT_EQ(MatrixView::stack().shapes(Sizes{8, 3, 5}), (Shapes{{8, 3, 5}}));
  EXPECT_EQ(MatrixView::stack().shapes(Sizes{2, 8, 3, 5}), (Shapes{{16, 3, 5}}));
}

TEST(MatrixViewShapes, OfSteps) {
  const auto matrix = MatrixView::matrix();
  EXPECT_EQ(matrix.split_rows({4, 4, 4}).shapes(Sizes{12, 5}), (Shapes{{3, 4, 5}}));
  EXPECT_EQ(matrix.split_rows({8, 2, 2}).shapes(Sizes{12, 5}), (Shapes{{1, 8, 5}, {2, 2, 5}}));
  EXPECT_EQ(matrix.chunk_rows(6).shapes(Sizes{12, 5}), (Shapes{{6, 2, 5}}));
  EXPECT_EQ(matrix.transposed().shapes(Sizes{12, 5}), (Shapes{{1, 5, 12}}));
  EXPECT_EQ(matrix.transposed().chunk_rows(5).shapes(Sizes{12, 5}), (Shapes{{5, 1, 12}}));
  EXPECT_EQ(matrix.chunk_rows(3).transposed().shapes(Sizes{12, 5}), (Shapes{{3, 5, 4}}));
  EXPECT_EQ(matrix.split_rows({8, 4}).chunk_rows(2).shapes(Sizes{12, 5}),
            (Shapes{{2, 4, 5}, {2, 2, 5}}));
  EXPECT_EQ(MatrixView::flatten().chunk_rows(2).shapes(Sizes{8, 3, 2, 2}), (Shapes{{2, 4, 12}}));
}

TEST(MatrixViewShapes, ErrorsSayWhatDoesNotFit) {
  const auto matrix = MatrixView::matrix();
  expect_error(
      [] {
        (void)MatrixView().shapes(Sizes{2, 3, 4});
      },
      {"[2, 3, 4]", "flatten()", "stack()"});
  expect_error([] { (void)MatrixView().shapes(Sizes{4}); }, {"[4]", "two or more"});
  expect_error([] { (void)MatrixView::stack().shapes(Sizes{}); }, {"[]", "two or more"});
  expect_error([&] { (void)matrix.shapes(Sizes{2, 3, 4}); }, {"[2, 3, 4]"});
  expect_error(
      [&] {
        (void)matrix.split_rows({4, 4}).shapes(Sizes{12, 5});
      },
      {"split_rows(4,4)", "8", "12"});
  expect_error([&] { (void)matrix.chunk_rows(5).shapes(Sizes{12, 5}); }, {"chunk_rows(5)", "12"});
  expect_error(
      [&] {
        (void)matrix.split_rows({8, 4}).chunk_rows(8).shapes(Sizes{12, 5});
      },
      {"chunk_rows(8)", "4"});
}

TEST(MatrixViewShapes, SizesBeyondSixtyFourBitsAreRefused) {
  const std::int64_t large = std::int64_t{1} << 40;
  for (const MatrixView& view :
       {MatrixView::matrix(), MatrixView::flatten(), MatrixView::stack(), MatrixView()}) {
    for (const Sizes& sizes : {Sizes{large, large}, Sizes{-4, 4}, Sizes{4, -4}}) {
      expect_error([&] { (void)view.shapes(sizes); }, {"64 bits", std::to_string(sizes[1])});
      expect_error([&] { (void)view.blocks(sizes); }, {"64 bits", std::to_string(sizes[1])});
    }
  }
  for (const Sizes& sizes : {Sizes{large, large, 2}, Sizes{2, large, large}, Sizes{large, large, 0},
                             Sizes{0, large, large}}) {
    expect_error([&] { (void)MatrixView::flatten().shapes(sizes); }, {"64 bits"});
    expect_error([&] { (void)MatrixView::stack().blocks(sizes); }, {"64 bits"});
  }
  const std::int64_t half = std::int64_t{1} << 62;
  expect_error(
      [&] {
        (void)MatrixView::matrix().split_rows({half, half, half}).shapes(Sizes{half, 1});
      },
      {"more than", "rows"});
}

/// Without a list of the blocks, which would be larger than any memory.
TEST(MatrixViewShapes, CountManyChunks) {
  const std::int64_t many = std::int64_t{1} << 40;
  EXPECT_EQ(MatrixView::matrix().chunk_rows(many).shapes(Sizes{2 * many, 3}),
            (Shapes{{many, 2, 3}}));
  EXPECT_EQ(MatrixView::matrix().chunk_rows(2).chunk_rows(many).shapes(Sizes{2 * many, 3}),
            (Shapes{{2 * many, 1, 3}}));
  EXPECT_EQ(MatrixView::matrix().chunk_rows(many).shapes(Sizes{many, 0}), (Shapes{{many, 1, 0}}));
  const auto blocks = MatrixView::matrix().chunk_rows(many).blocks(Sizes{many, 0});
  ASSERT_EQ(blocks.size(), 1u);
  EXPECT_EQ(blocks[0].count, many);
}

TEST(MatrixViewShapes, AMatrixWithoutRowsHasNoBlocks) {
  EXPECT_EQ(MatrixView::matrix().shapes(Sizes{0, 4}), (Shapes{{1, 0, 4}}));
  EXPECT_EQ(MatrixView::stack().shapes(Sizes{0, 4, 4}), (Shapes{{0, 4, 4}}));
  expect_error(
      [] {
        (void)MatrixView::matrix().chunk_rows(3).shapes(Sizes{0, 4});
      },
      {"chunk_rows(3)", "0 rows"});
  expect_error(
      [] {
        (void)MatrixView::matrix().chunk_rows(3).blocks(Sizes{0, 4});
      },
      {"chunk_rows(3)", "0 rows"});
  expect_error(
      [] {
        (void)MatrixView::matrix().split_rows({1}).shapes(Sizes{0, 4});
      },
      {"split_rows(1)", "0 rows"});
}

TEST(MatrixViewSteps, RefuseWhatFitsNothing) {
  expect_error([] { (void)MatrixView::matrix().chunk_rows(0); }, {"chunk_rows", "0"});
  expect_error([] { (void)MatrixView::matrix().chunk_rows(-3); }, {"chunk_rows", "-3"});
  expect_error([] { (void)MatrixView::matrix().split_rows({}); }, {"split_rows"});
  expect_error([] { (void)MatrixView::matrix().split_rows({4, 0}); }, {"split_rows", "0"});
  expect_error([] { (void)MatrixView::matrix().split_rows({4, -4}); }, {"split_rows", "-4"});
}

TEST(MatrixViewSteps, LeaveTheOriginalAlone) {
  const auto matrix = MatrixView::matrix();
  (void)matrix.chunk_rows(2);
  EXPECT_EQ(matrix, MatrixView::matrix());
  EXPECT_NE(matrix, matrix.chunk_rows(2));
  EXPECT_NE(matrix.chunk_rows(2), matrix.chunk_rows(3));
  EXPECT_NE(MatrixView::stack(), MatrixView::flatten());
  EXPECT_EQ(matrix.chunk_rows(2).transposed(), MatrixView::matrix().chunk_rows(2).transposed());
}

TEST(MatrixViewText, NamesBaseAndSteps) {
  EXPECT_EQ(MatrixView().to_string(), "automatic");
  EXPECT_EQ(MatrixView::flatten().to_string(), "flatten");
  EXPECT_EQ(MatrixView::matrix().split_rows({4, 4, 8}).to_string(), "matrix.split_rows(4,4,8)");
  EXPECT_EQ(MatrixView::matrix().transposed().chunk_rows(2).to_string(),
            "matrix.transposed.chunk_rows(2)");
}

/// The same matrices, cut by hand.
struct Cut {
  MatrixView view;
  Sizes sizes;
  std::function<std::vector<torch::Tensor>(const torch::Tensor&)> by_hand;
};

const std::vector<Cut>& cuts() {
  using torch::Tensor;
  static const std::vector<Cut> all{
      {MatrixView::flatten(),
       {8, 3, 2, 2},
       [](const Tensor& t) {
         return std::vector{t.reshape({8, 12})};
       }},
      {MatrixView::stack(),
       {3, 4, 5},
       [](const Tensor& t) {
         return std::vector{t[0], t[1], t[2]};
       }},
      {MatrixView::matrix().chunk_rows(3), {12, 5}, [](const Tensor& t) { return t.chunk(3, 0); }},
      {MatrixView::matrix().split_rows({5, 3, 4}),
       {12, 5},
       [](const Tensor& t) {
         return t.split_with_sizes({5, 3, 4}, 0);
       }},
      {MatrixView::matrix().transposed(),
       {12, 5},
       [](const Tensor& t) { return std::vector{t.t()}; }},
      {MatrixView::matrix().transposed().chunk_rows(2),
       {5, 12},
       [](const Tensor& t) {
         return std::vector{t.narrow(1, 0, 6).t(), t.narrow(1, 6, 6).t()};
       }},
  };
  return all;
}

TEST(MatrixViewMatrices, AreTheBlocksInOrder) {
  for (const Cut& cut : cuts()) {
    SCOPED_TRACE(cut.view.to_string());
    const torch::Tensor tensor =
        torch::arange(c10::multiply_integers(cut.sizes)).reshape(cut.sizes);
    std::vector<torch::Tensor> matrices;
    for (const torch::Tensor& block : cut.view.matrices(tensor)) {
      for (const torch::Tensor& one : block.unbind(0)) matrices.push_back(one);
    }
    const auto expected = cut.by_hand(tensor);
    ASSERT_EQ(matrices.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i)
      EXPECT_TRUE(torch::equal(matrices[i], expected[i])) << i;
  }
}

TEST(MatrixViewMatrices, HaveTheShapesThatWereAnnounced) {
  for (const Cut& cut : cuts()) {
    SCOPED_TRACE(cut.view.to_string());
    Shapes found;
    for (const torch::Tensor& block : cut.view.matrices(torch::zeros(cut.sizes))) {
      ASSERT_EQ(block.dim(), 3);
      const MatrixShape shape{block.size(0), block.size(1), block.size(2)};
      if (!found.empty() && found.back().rows == shape.rows && found.back().cols == shape.cols)
        found.back().count += shape.count;
      else found.push_back(shape);
    }
    EXPECT_EQ(found, cut.view.shapes(cut.sizes));
  }
}

TEST(MatrixViewMatrices, ShareTheTensorsMemoryAndCoverItOnce) {
  for (const Cut& cut : cuts()) {
    const torch::Tensor tensor = torch::zeros(cut.sizes);
    for (const torch::Tensor& block : cut.view.matrices(tensor)) torch::Tensor(block).add_(1);
    EXPECT_TRUE(torch::equal(tensor, torch::ones(cut.sizes))) << cut.view.to_string();
  }
}

TEST(MatrixViewMatrices, NeedAContiguousTensor) {
  expect_error(
      [] {
        (void)MatrixView::matrix().matrices(torch::zeros({4, 3}).t());
      },
      {"contiguous"});
}

}  // namespace
