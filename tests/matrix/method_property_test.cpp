// The methods and norm bounds of orthogonalize, on matrices of every kind of spectrum, in every
// shape, and on odd input.
//
// Tolerances, on singular values near 1 and entries of about 1 / sqrt(side)
//   0.021, 0.07, 0.21  dwh2, zolotarev3 and zolotarev2 from 1e-3 of the norm bound on, as the header
//                      says. The functions' own errors are 0.0189, 0.062 and 0.202; float32 adds at
//                      most 2e-3
//   4e-3   more for the other norm bounds: divided by less, the Gram matrix has larger entries and
//          larger rounding errors. Worst measured 1.6e-3
//   1.21   the largest singular value: 1.2024 of jordan_steps() and 1.202 of zolotarev2
//   3e-2   of a result's Frobenius norm, what lies between one left and another right singular
//          vector: 6e-8 times the condition 1.6e4 of the inverses, in many directions. Worst
//          measured 0.016, and the same by LAPACK's Cholesky
//   2e-2   the same for polynomials, and from their scalar map: 6e-8 of the Gram matrix times the
//          square of the slope at zero, 970 for Polar Express, makes 0.06. Worst measured 5e-3
//   2e-4   float32 entries from gaussian matrices in another order: 6e-8 times that slope, and 3.
//          Worst measured 3e-5
//   1e-9   float64 in another order: 1e-16 times a slope of at most 7e3
#include "support/newton_schulz.hpp"
#include "support/tensors.hpp"
#include "support/threads.hpp"

#include <muon/matrix/orthogonalize.hpp>

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <ostream>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

namespace {

using muon::ComputeDtype;
using muon::Method;
using muon::NormBound;
using muon::orthogonalize;
using muon::OrthogonalizeOptions;
using Shape = std::pair<std::int64_t, std::int64_t>;

constexpr double float64_order = 1e-9;
constexpr double float32_order = 2e-4;
constexpr double polynomial_rounding = 2e-2;
constexpr double rational_rounding = 3e-2;
constexpr double deeper_bound = 4e-3;
constexpr double largest_allowed = 1.21;

constexpr std::array bounds{NormBound::frobenius, NormBound::schatten4, NormBound::schatten8};
constexpr std::array rational_methods{Method::dwh2, Method::zolotarev3, Method::zolotarev2};
constexpr std::array all_methods{Method::newton_schulz, Method::dwh2, Method::zolotarev3,
                                 Method::zolotarev2};

double promised(Method method) {
  return method == Method::dwh2 ? 0.021 : method == Method::zolotarev3 ? 0.07 : 0.21;
}

Steps repeat_last(Steps steps, std::size_t count) {
  steps.resize(count, steps.back());
  return steps;
}

double norm_of(const torch::Tensor& t) { return t.norm().item<double>(); }
bool finite(const torch::Tensor& t) { return t.isfinite().all().item<bool>(); }

double spectral_norm(const torch::Tensor& t) {
  const Threads one(1);
  const torch::Tensor a = t.to(torch::kFloat64);
  const torch::Tensor gram = a.size(0) <= a.size(1) ? a.matmul(a.t()) : a.t().matmul(a);
  return std::sqrt(torch::linalg_eigvalsh(gram).max().item<double>());
}

/// The upper bound of the largest singular value that a matrix of these singular values is divided
/// by.
double norm_bound(const torch::Tensor& s, NormBound bound) {
  const double power = bound == NormBound::frobenius ? 2 : bound == NormBound::schatten4 ? 4 : 8;
  return std::pow(s.pow(power).sum().item<double>(), 1 / power);
}

/// What the steps make of singular values.
torch::Tensor scalar_map(torch::Tensor s, const Steps& steps) {
  for (const auto& [a, b, c] : steps) s = a * s + b * s.pow(3) + c * s.pow(5);
  return s;
}

// ---- matrices of known singular values ----

// m singular values; none: gaussian entries
using Spectrum = std::pair<std::string, std::function<torch::Tensor(std::int64_t)>>;

const std::vector<Spectrum>& spectra() {
  static const std::vector<Spectrum> all = [] {
    const auto powers_of_ten = [](double first, double last, std::int64_t count) {
      return torch::logspace(first, last, count, 10, torch::kFloat64);
    };
    const auto falling = [](std::int64_t count) {
      return torch::linspace(1, 0.1, count, torch::kFloat64);
    };
    const auto padded = [](const torch::Tensor& head, std::int64_t m) {
      return torch::constant_pad_nd(head, {0, m - head.numel()});
    };
    const auto ones = [](std::int64_t count) { return torch::ones(count, torch::kFloat64); };
    std::vector<Spectrum> result;
    for (int k = 1; k <= 9; ++k) {
      result.emplace_back("condition_1e" + std::to_string(k),
                          [=](std::int64_t m) { return powers_of_ten(0, -k, m); });
    }
    result.emplace_back("half_zero", [=](std::int64_t m) { return padded(falling(m / 2), m); });
    result.emplace_back("rank_10", [=](std::int64_t m) { return padded(falling(10), m); });
    result.emplace_back("rank_1", [=](std::int64_t m) { return padded(ones(1), m); });
    result.emplace_back("two_big", [=](std::int64_t m) {
      return torch::cat({ones(2), powers_of_ten(-4, -7, m - 2)});
    });
    result.emplace_back("gradient_like", [=](std::int64_t m) {
      return torch::cat({powers_of_ten(0, -2, m / 16), powers_of_ten(-3, -6, m - m / 16)});
    });
    result.emplace_back("flat", ones);
    result.emplace_back("gaussian", nullptr);
    return result;
  }();
  return all;
}

struct Case {
  Shape shape;
  std::size_t spectrum;
  auto operator<=>(const Case&) const = default;
};

std::string name_of(const Case& one) {
  return std::to_string(one.shape.first) + "x" + std::to_string(one.shape.second) + "_" +
         spectra()[one.spectrum].first;
}
void PrintTo(const Case& one, std::ostream* out) { *out << name_of(one); }

std::vector<Case> every_spectrum_on(const std::vector<Shape>& shapes) {
  std::vector<Case> result;
  for (const Shape& shape : shapes) {
    for (std::size_t i = 0; i < spectra().size(); ++i) result.push_back({shape, i});
  }
  return result;
}

/// A float32 matrix and its singular value decomposition in float64.
struct Known {
  torch::Tensor matrix, u, s, v;

  /// The part of `result` along each pair of singular vectors.
  torch::Tensor in_basis(const torch::Tensor& result) const {
    const Threads one(1);
    return u.t().matmul(result.to(torch::kFloat64)).matmul(v);
  }
};

torch::Tensor orthonormal(std::int64_t rows, std::int64_t cols) {
  return std::get<0>(torch::linalg_qr(torch::randn({rows, cols}, torch::kFloat64)));
}

torch::Tensor gaussian(const Shape& shape) { return torch::randn({shape.first, shape.second}); }

const Known& known(const Case& one) {
  static std::map<Case, Known> all;
  const auto [found, is_new] = all.try_emplace(one);
  if (is_new) {
    const Threads one_thread(1);
    torch::manual_seed(0);
    const auto [rows, cols] = one.shape;
    const std::int64_t m = std::min(rows, cols);
    const auto& values = spectra()[one.spectrum].second;
    const torch::Tensor matrix = values ? (orthonormal(rows, m) * values(m))
                                              .matmul(orthonormal(cols, m).t())
                                              .to(torch::kFloat32)
                                        : gaussian(one.shape);
    const auto [u, s, vh] = torch::linalg_svd(matrix.to(torch::kFloat64), /*full_matrices=*/false);
    found->second = {matrix, u, s, vh.t()};
  }
  return found->second;
}

const auto case_name = [](const auto& one) { return name_of(one.param); };

class EverySpectrum : public testing::TestWithParam<Case> {
 protected:
  const Known& known_ = known(GetParam());
};
INSTANTIATE_TEST_SUITE_P(
    Small, EverySpectrum,
    testing::ValuesIn(every_spectrum_on({{64, 64}, {100, 100}, {64, 200}, {300, 100}})), case_name);
INSTANTIATE_TEST_SUITE_P(Large, EverySpectrum, testing::ValuesIn(every_spectrum_on({{784, 256}})),
                         case_name);
INSTANTIATE_TEST_SUITE_P(Larger, EverySpectrum,
                         testing::Values(Case{{256, 256}, 3}, Case{{256, 256}, 9},
                                         Case{{256, 256}, 13}, Case{{256, 256}, 15},
                                         Case{{520, 520}, 4}, Case{{400, 640}, 13}),
                         case_name);

TEST_P(EverySpectrum, RationalMethodsKeepTheirPromise) {
  for (const Method method : rational_methods) {
    for (const NormBound bound : bounds) {
      // for time; it lies between the others
      if (bound == NormBound::schatten4 && known_.s.numel() > 100) continue;
      SCOPED_TRACE(std::string(to_string(method)) + ", " + std::string(to_string(bound)));
      const torch::Tensor result =
          orthogonalize(known_.matrix, {.method = method, .norm_bound = bound});
      ASSERT_TRUE(finite(result));
      EXPECT_LE(spectral_norm(result), largest_allowed);
      const torch::Tensor along = known_.in_basis(result);
      const torch::Tensor ends =
          along.diagonal().masked_select(known_.s >= 1e-3 * norm_bound(known_.s, bound));
      EXPECT_LE(largest(ends - 1),
                promised(method) + (bound == NormBound::frobenius ? 0 : deeper_bound));
      EXPECT_LE(norm_of(along - along.diagonal().diag()) / norm_of(along), rational_rounding);
    }
  }
}

TEST_P(EverySpectrum, PolynomialsFollowTheirScalarMap) {
  for (const auto& [name, steps] : presets(8)) {
    const torch::Tensor along = known_.in_basis(orthogonalize(known_.matrix, {.steps = steps}));
    const torch::Tensor expected = scalar_map(known_.s / known_.s.norm(), steps).diag();
    EXPECT_LE(norm_of(along - expected) / norm_of(expected), polynomial_rounding) << name;
  }
}

class ManySteps : public EverySpectrum {};
INSTANTIATE_TEST_SUITE_P(Small, ManySteps,
                         testing::ValuesIn(every_spectrum_on({{64, 64}, {200, 64}})), case_name);

TEST_P(ManySteps, StayFiniteAndBounded) {
  for (const auto& [name, steps] : presets(8)) {
    for (const std::size_t count : {5u, 6u, 7u, 8u, 10u, 30u}) {
      for (const NormBound bound : {NormBound::frobenius, NormBound::schatten8}) {
        if (bound != NormBound::frobenius && count % 10 == 0) continue;  // for time
        const torch::Tensor result =
            orthogonalize(known_.matrix, {.steps = repeat_last(steps, count), .norm_bound = bound});
        ASSERT_TRUE(finite(result)) << name << ", " << count << " steps, " << to_string(bound);
        EXPECT_LE(spectral_norm(result), largest_allowed)
            << name << ", " << count << " steps, " << to_string(bound);
      }
    }
  }
}

// ---- every shape ----

class EveryShape : public testing::TestWithParam<Shape> {
 protected:
  void SetUp() override { torch::manual_seed(0); }
  torch::Tensor random() const { return gaussian(GetParam()); }
};
// rows of 1024 and 2048 float32 lie a multiple of 4 KiB apart
INSTANTIATE_TEST_SUITE_P(Shapes, EveryShape,
                         testing::Values(Shape{1, 1}, Shape{1, 33}, Shape{33, 1}, Shape{3, 5},
                                         Shape{64, 64}, Shape{100, 100}, Shape{131, 150},
                                         Shape{300, 100}, Shape{100, 300}, Shape{784, 256},
                                         Shape{130, 400}, Shape{48, 1024}, Shape{1024, 48},
                                         Shape{40, 2048}, Shape{400, 390}));

TEST_P(EveryShape, PolynomialsEqualThePlainProducts) {
  const torch::Tensor matrix = random();
  for (const auto& [name, steps] : presets(8)) {
    const torch::Tensor expected = plain_newton_schulz(matrix, steps);
    EXPECT_LE(largest(orthogonalize(matrix.to(torch::kFloat64), {.steps = steps}) - expected),
              float64_order)
        << name;
    EXPECT_LE(largest(orthogonalize(matrix, {.steps = steps}) - expected), float32_order) << name;
  }
}

TEST_P(EveryShape, OfTheTransposeIsTheTranspose) {
  for (const Method method : all_methods) {
    const torch::Tensor matrix = random(), expected = orthogonalize(matrix, {.method = method});
    EXPECT_LE(largest(orthogonalize(matrix.t(), {.method = method}).t() - expected), float32_order)
        << to_string(method);
    EXPECT_LE(largest(orthogonalize(matrix.t().contiguous(), {.method = method}).t() - expected),
              float32_order)
        << to_string(method);
  }
}

TEST_P(EveryShape, AnyLayoutGivesTheSame) {
  const auto [rows, cols] = GetParam();
  const torch::Tensor matrix = random();
  const torch::Tensor spread =
      torch::zeros({2 * rows, 3 * cols}).slice(0, 0, {}, 2).slice(1, 0, {}, 3).copy_(matrix);
  // not aligned
  const torch::Tensor shifted = torch::zeros({rows, cols + 1}).narrow(1, 1, cols).copy_(matrix);
  const torch::Tensor row = torch::randn({1, cols}).expand({rows, cols});
  for (const Method method : all_methods) {
    const OrthogonalizeOptions how{.method = method};
    // one matrix may be a team's and two a thread's each, and BLAS sums in another order where
    // memory is aligned otherwise
    const torch::Tensor expected = orthogonalize(matrix, how);
    EXPECT_LE(largest(orthogonalize(spread, how) - expected), float32_order) << to_string(method);
    EXPECT_LE(largest(orthogonalize(shifted, how) - expected), float32_order) << to_string(method);
    EXPECT_LE(largest(orthogonalize(matrix.expand({2, rows, cols}), how)[1] - expected),
              float32_order)
        << to_string(method);
    EXPECT_LE(largest(orthogonalize(row, how) - orthogonalize(row.contiguous(), how)),
              float32_order)
        << to_string(method);
  }
}

TEST_P(EveryShape, BatchedIsOneByOneExactly) {
  const auto [rows, cols] = GetParam();
  const torch::Tensor batch = torch::randn({3, 1, rows, cols});
  for (const Method method : all_methods) {
    torch::Tensor together;
    {
      const Threads two(2);  // a matrix each
      together = orthogonalize(batch, {.method = method});
    }
    const Threads one(1);
    for (std::int64_t i = 0; i < 3; ++i) {
      EXPECT_TRUE(torch::equal(together[i][0], orthogonalize(batch[i][0], {.method = method})))
          << to_string(method) << ", matrix " << i;
    }
  }
}

// ---- threads ----

class EveryThreadCount : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Threads, EveryThreadCount, testing::Values(2, 8));

TEST_P(EveryThreadCount, ChangesNothingButRounding) {
  const auto all = [](int threads) {
    const Threads guard(threads);
    torch::manual_seed(0);
    std::vector<torch::Tensor> results;
    for (const Shape& shape :
         {Shape{3, 5}, Shape{200, 130}, Shape{200, 600}, Shape{330, 320}, Shape{40, 2048}}) {
      const torch::Tensor batch = torch::randn({2, shape.first, shape.second});
      for (const Method method : all_methods) {
        results.push_back(orthogonalize(batch, {.method = method}));
        results.push_back(orthogonalize(batch[0], {.method = method}));
      }
    }
    return results;
  };
  const auto expected = all(1), found = all(GetParam());
  for (std::size_t i = 0; i < found.size(); ++i)
    EXPECT_LE(largest(found[i] - expected[i]), float32_order) << found[i].sizes();
}

TEST_P(EveryThreadCount, CallsAtOnceAreIndependent) {
  const Threads guard(GetParam());
  torch::manual_seed(0);
  const torch::Tensor batch = torch::randn({6, 90, 140}), single = torch::randn({300, 280});
  for (const Method method : all_methods) {
    const OrthogonalizeOptions how{.method = method};
    const torch::Tensor expected = orthogonalize(batch, how),
                        expected_single = orthogonalize(single, how);
    std::array<bool, 2> same{};
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < same.size(); ++i) {
      threads.emplace_back([&, i] {
        same[i] = true;
        for (int again = 0; again < 2; ++again) {
          same[i] = same[i] && torch::equal(orthogonalize(batch, how), expected);
          same[i] =
              same[i] && largest(orthogonalize(single, how) - expected_single) <= float32_order;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_TRUE(same[0] && same[1]) << to_string(method);
  }
}

// ---- norm bounds ----

TEST(NormBounds, DivideByWhatTheySay) {
  for (const auto& spectrum : {0u, 4u, 9u, 11u, 14u}) {
    const Known one = known({{64, 200}, spectrum});
    for (const NormBound bound : bounds) {
      const torch::Tensor divided = orthogonalize(one.matrix, {.steps = {}, .norm_bound = bound});
      const torch::Tensor expected = one.matrix.to(torch::kFloat64) / norm_bound(one.s, bound);
      EXPECT_LE(largest(divided - expected) / largest(expected), 1e-5) << to_string(bound);
      EXPECT_LE(spectral_norm(divided), 1 + 1e-5) << to_string(bound);
    }
  }
}

TEST(NormBounds, ReachDeeper) {
  torch::manual_seed(0);
  const torch::Tensor s =
      torch::cat({torch::ones(64, torch::kFloat64), torch::full(64, 2e-3, torch::kFloat64)});
  const torch::Tensor u = orthonormal(128, 128), v = orthonormal(160, 128);
  for (const Method method : all_methods) {  // 2e-3 is 2.5e-4, 7e-4 and 1.2e-3 of the three bounds
    const auto smallest = [&](NormBound bound) {
      const OrthogonalizeOptions how{
          .method = method, .steps = muon::polar_express_paper_steps(6), .norm_bound = bound};
      const torch::Tensor result = orthogonalize((u * s).matmul(v.t()).to(torch::kFloat32), how);
      return u.t().matmul(result.to(torch::kFloat64)).matmul(v).diagonal().min().item<double>();
    };
    const double frobenius = smallest(NormBound::frobenius), gram = smallest(NormBound::schatten4);
    EXPECT_LT(frobenius, 0.8) << to_string(method);
    EXPECT_GT(gram, frobenius + 0.1) << to_string(method);
    EXPECT_GT(smallest(NormBound::schatten8), 1 - promised(method) - 1e-2) << to_string(method);
  }
}

TEST(NormBounds, WithoutEpsTheScaleDoesNotMatter) {
  torch::manual_seed(0);
  for (const Shape& shape : {Shape{30, 30}, Shape{30, 70}}) {
    const torch::Tensor matrix = gaussian(shape);
    for (const Method method : all_methods) {
      for (const NormBound bound : bounds) {
        const OrthogonalizeOptions how{.method = method, .eps = 0, .norm_bound = bound};
        const torch::Tensor expected = orthogonalize(matrix, how);
        SCOPED_TRACE(std::string(to_string(method)) + ", " + std::string(to_string(bound)));
        // exact, so nothing may change
        for (const double scale : {0x1p-100, 0x1p-20, 0x1p20, 0x1p100}) {
          EXPECT_TRUE(torch::equal(orthogonalize(matrix * scale, how), expected)) << scale;
        }
        for (const double scale : {1e-20, 1e15, 1e30}) {
          EXPECT_LE(largest(orthogonalize(matrix * scale, how) - expected), float32_order) << scale;
        }
        // denormal numbers and those with a norm beyond float32 are the same numbers in float64
        const torch::Tensor huge = matrix * (3e38 / largest(matrix));
        ASSERT_TRUE(finite(huge) && !finite(huge.norm()));
        for (const torch::Tensor& extreme : {matrix * 1e-40, huge}) {
          EXPECT_LE(largest(orthogonalize(extreme, how) -
                            orthogonalize(extreme.to(torch::kFloat64), how)),
                    float32_order);
        }
      }
    }
  }
}

// ---- odd input, for every method and norm bound ----

class EveryMethod : public testing::TestWithParam<std::tuple<Method, NormBound>> {
 protected:
  void SetUp() override { torch::manual_seed(0); }
  const OrthogonalizeOptions how_{.method = std::get<0>(GetParam()),
                                  .norm_bound = std::get<1>(GetParam())};
};
INSTANTIATE_TEST_SUITE_P(All, EveryMethod,
                         testing::Combine(testing::ValuesIn(all_methods),
                                          testing::ValuesIn(bounds)),
                         [](const auto& one) {
                           return std::string(to_string(std::get<0>(one.param))) + "_" +
                                  std::string(to_string(std::get<1>(one.param)));
                         });

TEST_P(EveryMethod, ZeroStaysZeroAndNothingStaysNothing) {
  for (const auto& shape : std::vector<std::vector<std::int64_t>>{
           {1, 1}, {5, 4}, {64, 64}, {3, 70, 200}, {0, 4}, {4, 0}, {0, 3, 3}}) {
    for (const double eps : {0.0, 1e-7}) {
      OrthogonalizeOptions how = how_;
      how.eps = eps;
      EXPECT_TRUE(torch::equal(orthogonalize(torch::zeros(shape), how), torch::zeros(shape)))
          << torch::zeros(shape).sizes();
    }
  }
}

TEST_P(EveryMethod, ARowAndAColumnKeepTheirDirection) {
  for (const torch::Tensor& x : {torch::full({1, 1}, -3.0), torch::randn({1, 40}),
                                 torch::randn({40, 1}), torch::ones({1, 2048})}) {
    const torch::Tensor result = orthogonalize(x, how_);
    const double length = result.norm().item<double>();
    EXPECT_LE(largest(result - length * x / x.norm()), float32_order);
    // 0.6818 is Jordan's minimum
    EXPECT_NEAR(length, 1, how_.method == Method::newton_schulz ? 0.3184 : promised(how_.method));
  }
}

TEST_P(EveryMethod, NanAndInfinityGiveNanInTheirOwnMatrixOnly) {
  for (const double bad :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    for (const Shape& shape : {Shape{1, 1}, Shape{5, 4}, Shape{70, 70}, Shape{130, 120},
                               Shape{40, 200}, Shape{200, 40}}) {
      const torch::Tensor batch = torch::randn({3, shape.first, shape.second});
      batch[1][shape.first - 1][shape.second / 2] = bad;
      const torch::Tensor result = orthogonalize(batch, how_);
      EXPECT_TRUE(result[1].isnan().any().item<bool>()) << bad << " in " << batch.sizes();
      EXPECT_TRUE(finite(result[0]) && finite(result[2])) << bad << " in " << batch.sizes();
    }
  }
}

TEST_P(EveryMethod, ComputesInTheTypeItIsToldTo) {
  for (const Shape& shape : {Shape{24, 24}, Shape{24, 60}}) {
    const torch::Tensor matrix = gaussian(shape);
    const auto in = [&](ComputeDtype type, const torch::Tensor& x) {
      OrthogonalizeOptions how = how_;
      how.compute_dtype = type;
      return orthogonalize(x, how);
    };
    const torch::Tensor wide = matrix.to(torch::kFloat64), exact = orthogonalize(wide, how_),
                        narrow = orthogonalize(matrix, how_);
    EXPECT_TRUE(torch::equal(in(ComputeDtype::float64, matrix), exact.to(torch::kFloat32)));
    EXPECT_TRUE(torch::equal(in(ComputeDtype::float32, wide), narrow.to(torch::kFloat64)));
    EXPECT_LE(largest(narrow - exact), float32_order);
    // only polynomials are rounded
    const double allowed = how_.method == Method::newton_schulz ? 6e-2 : float32_order;
    EXPECT_LE(largest(in(ComputeDtype::bfloat16, matrix) - narrow), allowed);
    for (const auto type : {torch::kBFloat16, torch::kFloat16}) {
      const torch::Tensor half = matrix.to(type), result = orthogonalize(half, how_);
      EXPECT_EQ(result.scalar_type(), type);
      EXPECT_TRUE(torch::equal(result, orthogonalize(half.to(torch::kFloat32), how_).to(type)));
    }
  }
}

TEST(AutomaticMethod, IsDwh2OnACpuAndPolynomialInBfloat16) {
  torch::manual_seed(0);
  const torch::Tensor matrix = gaussian({20, 30});
  const auto with = [&](Method method, ComputeDtype type) {
    return orthogonalize(matrix, {.method = method, .compute_dtype = type});
  };
  for (const auto type : {ComputeDtype::automatic, ComputeDtype::float32, ComputeDtype::float64}) {
    EXPECT_TRUE(torch::equal(with(Method::automatic, type), with(Method::dwh2, type)))
        << to_string(type);
  }
  EXPECT_TRUE(torch::equal(with(Method::automatic, ComputeDtype::bfloat16),
                           with(Method::newton_schulz, ComputeDtype::bfloat16)));
}

}  // namespace
