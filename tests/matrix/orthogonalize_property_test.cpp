// What must hold of orthogonalize for any matrix.
//
// Tolerances, relative to entries of about 1 / sqrt(side) and singular values of about 1
//   1e-5    float32 against an SVD in float64: 6e-8 a product, times the condition number (3), over
//           the steps until convergence
//   2e-5    float32, the same operations in another order: 6e-8 amplified by the polynomial's slope
//           at zero, 485 for Jordan's
//   1e-9    float64, the same from 1e-16
//   6e-2    bfloat16 products against float32 in the Frobenius norm: 4e-3 a product, amplified; the
//           worst measured over matrices of all kinds is 0.06
#include "support/newton_schulz.hpp"
#include "support/tensors.hpp"

#include <muon/matrix/orthogonalize.hpp>

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace {

using muon::ComputeDtype;
using muon::converging_steps;
using muon::jordan_steps;
using muon::NormEps;
using muon::orthogonalize;
using muon::OrthogonalizeOptions;

constexpr double float32_order = 2e-5;
constexpr double float64_order = 1e-9;

struct Factors {
  torch::Tensor u, s, v;  // matrix = u diag(s) v^T, in float64
  torch::Tensor polar() const { return u.matmul(v.t()); }
  torch::Tensor with(const torch::Tensor& values) const { return (u * values).matmul(v.t()); }
};

/// Random orthogonal factors, and singular values between 1/3 and 1.
Factors factors(std::int64_t rows, std::int64_t cols) {
  const std::int64_t rank = std::min(rows, cols);
  const auto orthonormal = [](std::int64_t n, std::int64_t k) {
    return std::get<0>(torch::linalg_qr(torch::randn({n, k}, torch::kFloat64)));
  };
  return {orthonormal(rows, rank), torch::linspace(1, 1.0 / 3, rank, torch::kFloat64),
          orthonormal(cols, rank)};
}

double spectral_norm(const torch::Tensor& t) {
  return torch::linalg_svdvals(t.to(torch::kFloat64)).max().item<double>();
}

/// What the steps make of one singular value.
double scalar_map(double s, const Steps& steps) {
  for (const auto& [a, b, c] : steps) s = a * s + b * s * s * s + c * s * s * s * s * s;
  return s;
}

torch::Tensor scalar_map(const torch::Tensor& values, const Steps& steps) {
  torch::Tensor result = values.clone();
  for (std::int64_t i = 0; i < result.numel(); ++i)
    result[i] = scalar_map(result[i].item<double>(), steps);
  return result;
}

struct Range {
  double least, most;
  double error() const { return std::max(1 - least, most - 1); }
};

/// Where the singular values from `from` to 1 end.
Range range_of(const Steps& steps, double from) {
  constexpr int points = 20000;
  Range range{scalar_map(1, steps), scalar_map(1, steps)};
  for (int i = 0; i < points; ++i) {
    const double end =
        scalar_map(from * std::pow(1 / from, static_cast<double>(i) / points), steps);
    range = {std::min(range.least, end), std::max(range.most, end)};
  }
  return range;
}

class Orthogonalize : public testing::Test {
 protected:
  void SetUp() override { torch::manual_seed(0); }
};

class OrthogonalizeShape : public testing::TestWithParam<std::pair<std::int64_t, std::int64_t>> {
 protected:
  void SetUp() override { torch::manual_seed(0); }
  Factors factors_ = factors(GetParam().first, GetParam().second);
  torch::Tensor matrix_ = factors_.with(factors_.s);
};

// ---- against the singular value decomposition ----

TEST_P(OrthogonalizeShape, ConvergesToThePolarFactor) {
  const auto svd = torch::linalg_svd(matrix_, /*full_matrices=*/false);
  const torch::Tensor polar = std::get<0>(svd).matmul(std::get<2>(svd));
  const OrthogonalizeOptions options{.steps = converging_steps()};
  EXPECT_LE(spectral_norm(orthogonalize(matrix_.to(torch::kFloat32), options) - polar), 1e-5);
  EXPECT_LE(spectral_norm(orthogonalize(matrix_, options) - polar), float64_order);
}

TEST_P(OrthogonalizeShape, EveryPresetActsOnTheSingularValuesAlone) {
  const torch::Tensor normalized = factors_.s / factors_.s.norm();
  for (const auto& [name, steps] : presets()) {
    const torch::Tensor expected = factors_.with(scalar_map(normalized, steps));
    EXPECT_LE(largest(orthogonalize(matrix_, {.steps = steps}) - expected), float64_order) << name;
    EXPECT_LE(largest(orthogonalize(matrix_.to(torch::kFloat32), {.steps = steps}) - expected),
              float32_order)
        << name;
  }
}

TEST_P(OrthogonalizeShape, OfTheTransposeIsTheTranspose) {
  const torch::Tensor matrix = matrix_.to(torch::kFloat32);
  EXPECT_LE(largest(orthogonalize(matrix.t()) - orthogonalize(matrix).t()), float32_order);
  EXPECT_LE(largest(orthogonalize(matrix.t().contiguous()) - orthogonalize(matrix).t()),
            float32_order);
}

TEST_P(OrthogonalizeShape, BatchedIsOneByOne) {
  const auto [rows, cols] = GetParam();
  const torch::Tensor batch = torch::randn({2, 3, rows, cols});
  const torch::Tensor together = orthogonalize(batch);
  ASSERT_EQ(together.sizes(), batch.sizes());
  for (std::int64_t i = 0; i < 6; ++i) {
    EXPECT_LE(largest(together[i / 3][i % 3] - orthogonalize(batch[i / 3][i % 3])), float32_order)
        << i;
  }
}

TEST_P(OrthogonalizeShape, DoesNotDependOnTheScaleWithoutEps) {
  const torch::Tensor matrix = matrix_.to(torch::kFloat32);
  for (const auto& [name, steps] : presets()) {
    const OrthogonalizeOptions options{.steps = steps, .eps = 0};
    const torch::Tensor expected = orthogonalize(matrix, options);
    // exact, so nothing may change: 8e-31 and 1.3e30
    for (const double power_of_two : {0x1p-100, 0x1p100}) {
      EXPECT_TRUE(torch::equal(orthogonalize(matrix * power_of_two, options), expected))
          << name << " " << power_of_two;
    }
    for (const double scale : {1e-30, 1e30}) {
      EXPECT_LE(largest(orthogonalize(matrix * scale, options) - expected), float32_order)
          << name << " " << scale;
      EXPECT_LE(largest(orthogonalize(matrix_ * scale, options) - orthogonalize(matrix_, options)),
                float64_order)
          << name;
    }
  }
}

TEST_P(OrthogonalizeShape, Bfloat16IsCloseToFloat32AndNotTheSame) {
  const torch::Tensor matrix = matrix_.to(torch::kFloat32);
  const torch::Tensor exact = orthogonalize(matrix);
  const torch::Tensor rounded = orthogonalize(matrix, {.compute_dtype = ComputeDtype::bfloat16});
  EXPECT_EQ(rounded.scalar_type(), torch::kFloat32);
  const double relative = ((rounded - exact).norm() / exact.norm()).item<double>();
  EXPECT_LE(relative, 6e-2);
  EXPECT_GT(relative, 1e-4);
}

TEST_P(OrthogonalizeShape, HalfPrecisionInputIsComputedInFloat32) {
  for (const auto type : {torch::kFloat16, torch::kBFloat16}) {
    const torch::Tensor half = matrix_.to(type);
    const torch::Tensor result = orthogonalize(half);
    EXPECT_EQ(result.scalar_type(), type);
    EXPECT_TRUE(torch::equal(result, orthogonalize(half.to(torch::kFloat32)).to(type)));
  }
}

TEST_P(OrthogonalizeShape, AnyLayoutGivesTheSame) {
  const torch::Tensor expected = orthogonalize(matrix_);
  const torch::Tensor column_major = matrix_.t().contiguous().t();
  torch::Tensor spread = torch::zeros({2 * matrix_.size(0), 3 * matrix_.size(1)}, torch::kFloat64);
  const torch::Tensor strided = spread.slice(0, 0, {}, 2).slice(1, 0, {}, 3).copy_(matrix_);
  ASSERT_FALSE(strided.is_contiguous());
  EXPECT_LE(largest(orthogonalize(column_major) - expected), float64_order);
  EXPECT_LE(largest(orthogonalize(strided) - expected), float64_order);
}

TEST_P(OrthogonalizeShape, LeavesItsInputAlone) {
  const torch::Tensor matrix = matrix_.to(torch::kFloat32).requires_grad_(),
                      before = matrix.detach().clone();
  for (const auto& [name, steps] : presets()) {
    const torch::Tensor result = orthogonalize(matrix, {.steps = steps});
    EXPECT_FALSE(result.requires_grad()) << name;
    EXPECT_NE(result.data_ptr(), matrix.data_ptr()) << name;
  }
  const torch::Tensor normalized = orthogonalize(matrix, {.steps = {}});
  EXPECT_NE(normalized.data_ptr(), matrix.data_ptr());
  EXPECT_TRUE(torch::equal(matrix, before));
}

INSTANTIATE_TEST_SUITE_P(Shapes, OrthogonalizeShape,
                         testing::Values(std::pair{48, 48}, std::pair{16, 64}, std::pair{64, 16},
                                         std::pair{2, 50}, std::pair{5, 3}));

// ---- the presets ----

TEST(Presets, JordansRange) {
  const Range range = range_of(jordan_steps(), 1.6e-3);
  // the polynomial's own extremes, computed apart; the documentation gives two decimals
  EXPECT_NEAR(range.least, 0.6818, 1e-4);
  EXPECT_NEAR(range.most, 1.2024, 1e-4);
}

TEST(Presets, PolarExpressRange) {
  const Range range = range_of(muon::polar_express_steps(), 1e-3);
  EXPECT_LE(range.error(), 0.16);
  EXPECT_NEAR(range.least, 0.8466, 1e-4);  // computed apart, as above
  EXPECT_NEAR(range.most, 1.1411, 1e-4);
}

TEST(Presets, PolarExpressFoldsItsSafetyFactorIntoTheFirstStep) {
  const Steps published{{8.156554524902461, -22.48329292557795, 15.878769915207462}};
  const Steps ours{muon::polar_express_steps().front()};
  for (const double s : {0.01, 0.5, 1.0}) {
    // a few roundings of numbers up to 22
    EXPECT_NEAR(scalar_map(s, ours), scalar_map(s / 1.02, published), 1e-14);
  }
}

TEST(Presets, ThePapersPolarExpressConverges) {
  EXPECT_LE(range_of(muon::polar_express_paper_steps(8), 1e-3).error(), 1e-6);
  EXPECT_LE(range_of(muon::polar_express_paper_steps(12), 1e-3).error(), 1e-12);
}

TEST(Presets, YousAreCloserToOneThanJordans) {
  EXPECT_LE(range_of(muon::jiacheng_you_steps(), 2e-3).error(), 0.15);
  EXPECT_GT(range_of(jordan_steps(), 2e-3).error(), 0.3);
}

TEST(Presets, ConvergingStepsConverge) {
  EXPECT_LE(range_of(converging_steps(30), 1e-6).error(), 1e-12);
}

TEST(Presets, HaveTheLengthAskedFor) {
  EXPECT_EQ(jordan_steps(3).size(), 3u);
  EXPECT_EQ(converging_steps(0).size(), 0u);
  EXPECT_EQ(muon::jiacheng_you_steps().size(), 5u);
  EXPECT_EQ(muon::polar_express_steps().size(), 5u);
  const Steps paper = muon::polar_express_paper_steps(10);
  EXPECT_EQ(paper.size(), 10u);
  EXPECT_EQ(paper.back(), (muon::NewtonSchulzStep{1.875, -1.25, 0.375}));
  EXPECT_THROW((void)jordan_steps(-1), std::invalid_argument);
}

// ---- small, degenerate and extreme matrices ----

TEST_F(Orthogonalize, ZeroStaysZero) {
  for (const double eps : {0.0, 1e-7}) {
    for (const NormEps rule : {NormEps::clamp, NormEps::add}) {
      const torch::Tensor zero = torch::zeros({2, 4, 3});
      EXPECT_TRUE(torch::equal(orthogonalize(zero, {.eps = eps, .norm_eps = rule}), zero));
    }
  }
}

TEST_F(Orthogonalize, RankOneKeepsItsDirections) {
  const torch::Tensor u = torch::randn({6, 1}, torch::kFloat64),
                      v = torch::randn({9, 1}, torch::kFloat64);
  const torch::Tensor polar = (u / u.norm()).matmul((v / v.norm()).t());
  // twenty doublings of the rounding errors, 1e-16, in the other directions
  EXPECT_LE(largest(orthogonalize(u.matmul(v.t()), {.steps = converging_steps(20)}) - polar),
            float64_order);
  EXPECT_LE(largest(orthogonalize(u.matmul(v.t())) - scalar_map(1, jordan_steps()) * polar),
            float64_order);
}

TEST_F(Orthogonalize, AnExpandedMatrixHasRankOne) {
  const torch::Tensor ones = torch::ones({1, 1}, torch::kFloat64).expand({4, 9});
  EXPECT_LE(largest(orthogonalize(ones, {.steps = converging_steps(20)}) - 1.0 / 6), float64_order);
}

TEST_F(Orthogonalize, ANumberBecomesItsSign) {
  for (const double value : {3.0, -0.25}) {
    const torch::Tensor result =
        orthogonalize(torch::full({1, 1}, value, torch::kFloat64), {.steps = converging_steps()});
    EXPECT_NEAR(result.item<double>(), value > 0 ? 1 : -1, float64_order);
  }
}

TEST_F(Orthogonalize, ARowOrColumnBecomesAUnitVector) {
  const torch::Tensor row = torch::randn({1, 7}, torch::kFloat64);
  const OrthogonalizeOptions options{.steps = converging_steps()};
  EXPECT_LE(largest(orthogonalize(row, options) - row / row.norm()), float64_order);
  EXPECT_LE(largest(orthogonalize(row.t(), options) - row.t() / row.norm()), float64_order);
}

TEST_F(Orthogonalize, WithoutEntriesThereIsNothingToDo) {
  for (const auto& shape :
       std::vector<std::vector<std::int64_t>>{{0, 4}, {4, 0}, {0, 3, 4}, {0, 0}}) {
    const torch::Tensor result = orthogonalize(torch::zeros(shape).requires_grad_());
    EXPECT_EQ(result.sizes(), at::IntArrayRef(shape));
    EXPECT_FALSE(result.requires_grad());
  }
}

TEST_F(Orthogonalize, WithoutStepsOnlyTheNormIsDivided) {
  const torch::Tensor matrix = torch::randn({4, 5}, torch::kFloat64);
  const double norm = matrix.norm().item<double>();
  EXPECT_LE(largest(orthogonalize(matrix, {.steps = {}}) - matrix / norm), float64_order);
  EXPECT_LE(largest(orthogonalize(matrix, {.steps = {}, .eps = 8 * norm}) - matrix / (8 * norm)),
            float64_order);
  const OrthogonalizeOptions added{.steps = {}, .eps = norm, .norm_eps = NormEps::add};
  EXPECT_LE(largest(orthogonalize(matrix, added) - matrix / (2 * norm)), float64_order);
}

TEST_F(Orthogonalize, TakesDenormalsAndNormsBeyondFloat32) {
  const Factors f = factors(8, 12);
  const OrthogonalizeOptions options{.steps = converging_steps(), .eps = 0};
  const torch::Tensor denormal = (torch::eye(8) * 1e-40);
  ASSERT_GT(largest(denormal), 0);
  EXPECT_LE(largest(orthogonalize(denormal, options) - torch::eye(8)), 1e-5);
  const torch::Tensor huge = torch::full({4, 9}, 3e38f);  // the norm is 1.8e39
  ASSERT_TRUE(huge.norm().isinf().item<bool>());
  EXPECT_LE(largest(orthogonalize(huge, {.steps = converging_steps(5), .eps = 0}) - 1.0 / 6),
            float32_order);
  EXPECT_LE(largest(orthogonalize((f.with(f.s) * 3e38).to(torch::kFloat32), options) - f.polar()),
            1e-5);
}

TEST_F(Orthogonalize, NanAndInfinityGiveNanInTheirOwnMatrixOnly) {
  for (const double bad :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    for (const auto type : {ComputeDtype::automatic, ComputeDtype::bfloat16}) {
      const torch::Tensor batch = torch::randn({3, 4, 5});
      batch[1][2][3] = bad;
      const torch::Tensor result = orthogonalize(batch, {.compute_dtype = type});
      EXPECT_TRUE(result[1].isnan().any().item<bool>());
      EXPECT_TRUE(result[0].isfinite().all().item<bool>());
      EXPECT_TRUE(result[2].isfinite().all().item<bool>());
    }
  }
}

TEST_F(Orthogonalize, Float64ProductsOfAFloat32MatrixAreMoreExact) {
  const Factors f = factors(24, 40);
  const torch::Tensor matrix = f.with(f.s).to(torch::kFloat32);
  const torch::Tensor exact = orthogonalize(matrix.to(torch::kFloat64)).to(torch::kFloat32);
  EXPECT_TRUE(torch::equal(orthogonalize(matrix, {.compute_dtype = ComputeDtype::float64}), exact));
  const torch::Tensor narrow =
      orthogonalize(matrix.to(torch::kFloat64), {.compute_dtype = ComputeDtype::float32});
  EXPECT_EQ(narrow.scalar_type(), torch::kFloat64);
  EXPECT_LE(largest(narrow - exact), float32_order);
}

TEST_F(Orthogonalize, RefusesWhatIsNoRealDenseMatrix) {
  EXPECT_THROW((void)orthogonalize(torch::Tensor()), std::invalid_argument);
  EXPECT_THROW((void)orthogonalize(torch::ones(4)), std::invalid_argument);
  EXPECT_THROW((void)orthogonalize(torch::tensor(1.0)), std::invalid_argument);
  EXPECT_THROW((void)orthogonalize(torch::ones({2, 2}, torch::kLong)), std::invalid_argument);
  EXPECT_THROW((void)orthogonalize(torch::ones({2, 2}, torch::kComplexFloat)),
               std::invalid_argument);
  EXPECT_THROW((void)orthogonalize(torch::eye(3).to_sparse()), std::invalid_argument);
  for (const double bad :
       {-1.0, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    EXPECT_THROW((void)orthogonalize(torch::ones({2, 2}), {.eps = bad}), std::invalid_argument);
  }
}

}  // namespace
