#include "matrix/polar_cpu.hpp"

#include "kernels/blas_threads.hpp"
#include "kernels/cholesky_inverse.hpp"
#include "kernels/elementwise.hpp"
#include "matrix/polar.hpp"

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>

namespace muon {
namespace {

using kernels::Op;
using kernels::Rectangle;
using kernels::Square;
using kernels::Team;
using kernels::Triangle;
using polar::Part;
using polar::Term;

/// Between these squared norms, Gram matrices of float32 neither overflow nor lose digits to denormal numbers.
constexpr double smallest_square = 1e-18;
constexpr double largest_square = 1e18;

/// Values from one row to the next: rows that are a multiple of 4 KiB apart would share one set of the cache.
std::int64_t padded(std::int64_t cols, std::size_t size) {
  const std::int64_t line = 64 / static_cast<std::int64_t>(size);
  if (cols < line) return cols;
  const std::int64_t ld = (cols + line - 1) / line * line;
  return ld % (1024 / static_cast<std::int64_t>(size)) == 0 ? ld + line : ld;
}

bool gram_form(double ratio) { return ratio >= polar::gram_form_from; }

/// Which work memory a job needs, and where it lies in a block.
template <class T>
struct Layout {
  std::int64_t m, ld, rectangle_ld, rectangle;
  bool second;  // rectangle: iterations on X itself alternate between two

  explicit Layout(const PolarJob<T>& job)
      : m(job.result.shorter()),
        ld(padded(m, sizeof(T))),
        rectangle_ld(padded(job.result.cols, sizeof(T))),
        rectangle(job.result.rows * rectangle_ld),
        second(alternates(*job.how, static_cast<double>(job.result.longer()) / static_cast<double>(m))) {}

  static bool alternates(const OrthogonalizeOptions& how, double ratio) {
    if (how.method != Method::newton_schulz) return !gram_form(ratio);  // what they fall back to iterates on X
    return how.steps.size() > (gram_form(ratio) ? 6 : 1);
  }

  static constexpr std::int64_t squares = 4;  // pages of those that a method does not write cost nothing
  std::size_t bytes() const { return sizeof(T) * static_cast<std::size_t>(squares * m * ld + rectangle * (second ? 2 : 1)); }
};

/// What the threads on one job share. Each number is written once a job, since a thread may read it late.
struct Shared {
  kernels::Progress progress;
  double trace = 0, rescaled_trace = 0, largest = 0, frobenius = 0;
};

/// The operations of polar.hpp on one matrix, by one team whose threads each hold an equal BlasOps.
template <class T>
class BlasOps {
 public:
  BlasOps(int threads, Shared& shared, const PolarJob<T>& job, std::byte* memory)
      : team_(threads, shared.progress), job_(job), layout_(job), shared_(shared), x_(job.x) {
    T* next = reinterpret_cast<T*>(memory);
    for (Square<T>& square : squares_) {
      square = {next, layout_.m, layout_.ld};
      next += layout_.m * layout_.ld;
    }
    for (Rectangle<T>& rectangle : rectangles_) {
      rectangle = {next, job.result.rows, job.result.cols, layout_.rectangle_ld};
      next += layout_.rectangle;
    }
    if (x_.data == nullptr) move_momentum();
  }

  bool prefers_gram_form(double ratio) const { return gram_form(ratio); }

  bool gram(int r, int t) {
    kernels::gram_(team_, square(r), x_.wide() ? Op::plain : Op::transposed, x_, T{1}, T{0});
    if (!normalized_) return normalize(r, t);
    combine(r, 0, {{scale_ * scale_, r}}, Part::whole);
    return false;
  }

  void multiply(int c, int a, int b, double alpha, double beta, int d) {
    if (beta != 0 && (d != c || beta != 1)) combine(c, 0, {{beta, d}}, Part::lower);
    kernels::multiply_(team_, square(c), square(a), square(b), static_cast<T>(alpha), static_cast<T>(beta == 0 ? 0 : 1));
  }

  void combine(int c, double diagonal, std::initializer_list<Term> terms, Part part) {
    const auto triangle = part == Part::whole ? Triangle::both : Triangle::lower;
    const Term* const term = terms.begin();
    const auto at = [&](std::size_t i) { return kernels::Term<T>{static_cast<T>(term[i].factor), square(term[i].matrix)}; };
    switch (terms.size()) {
      case 0: return kernels::combine_(team_, square(c), static_cast<T>(diagonal), {}, triangle);
      case 1: return kernels::combine_(team_, square(c), static_cast<T>(diagonal), {at(0)}, triangle);
      default: return kernels::combine_(team_, square(c), static_cast<T>(diagonal), {at(0), at(1)}, triangle);
    }
  }

  bool invert(int a) { return kernels::cholesky_inverse_(team_, square(a)); }

  void apply(int q, double a) {
    const Rectangle<T>& to = x_.data == rectangles_[0].data ? rectangles_[1] : rectangles_[0];
    add_diagonal(q, a);
    kernels::apply_(team_, to, square(q), x_, static_cast<T>(scale_), T{0});
    x_ = {to.data, to.rows, to.cols, to.ld};
    scale_ = 1;
  }

  void finish(int q, double a) {
    add_diagonal(q, a);
    kernels::apply_(team_, job_.result, square(q), x_, static_cast<T>(scale_ * job_.factor), static_cast<T>(job_.keep));
  }

 private:
  Square<T> square(int index) const { return squares_[index]; }

  void move_momentum() {
    const Rectangle<T>& to = rectangles_[0];
    const std::int64_t rows = std::max<std::int64_t>(1, (std::int64_t{1} << 14) / to.cols);  // a chunk stays in the cache
    team_.each((to.rows + rows - 1) / rows, [&](std::int64_t chunk) {
      const std::int64_t last = std::min(to.rows, (chunk + 1) * rows);
      for (std::int64_t i = chunk * rows; i < last; ++i) {
        kernels::momentum(job_.buffer.data + i * job_.buffer.ld, to.data + i * to.ld, job_.gradient.data + i * job_.gradient.ld,
                          job_.momentum, job_.nesterov, to.cols);
      }
    });
    x_ = {to.data, to.rows, to.cols, to.ld};
  }

  double trace(int r, double& shared) {
    team_.once([&] {
      shared = 0;
      for (std::int64_t i = 0; i < layout_.m; ++i) shared += static_cast<double>(*square(r).at(i, i));
    });
    return shared;
  }

  /// Of the lower triangle of a symmetric matrix.
  double frobenius(int r) {
    team_.once([&] {
      double sum = 0;
      for (std::int64_t i = 0; i < layout_.m; ++i) {
        const T* const row = square(r).at(i, 0);
        double part = 0;
        for (std::int64_t j = 0; j < i; ++j) part += static_cast<double>(row[j]) * static_cast<double>(row[j]);
        sum += 2 * part + static_cast<double>(row[i]) * static_cast<double>(row[i]);
      }
      shared_.frobenius = std::sqrt(sum);
    });
    return shared_.frobenius;
  }

  /// x <- x / 2^e with e such that its largest value is near 1, and its Gram matrix again. Rare: only for entries whose squares
  /// leave the range of float32.
  int rescale(int r) {
    team_.once([&] {
      double most = 0;
      for (std::int64_t i = 0; i < x_.rows; ++i) {
        const double row = kernels::largest_magnitude(x_.data + i * x_.ld, x_.cols);
        if (!(row <= most)) most = row;
        if (std::isnan(most)) break;
      }
      shared_.largest = most;
    });
    const double most = shared_.largest;
    if (most == 0 || !std::isfinite(most)) return 0;
    const int exponent = std::ilogb(most);
    const Rectangle<T>& to = rectangles_[0];
    team_.each(x_.rows, [&](std::int64_t i) {
      // in two steps, since 2^-exponent of a denormal number may itself be out of range
      kernels::scale(to.data + i * to.ld, x_.data + i * x_.ld, std::ldexp(1.0, -exponent / 2), x_.cols);
      kernels::scale(to.data + i * to.ld, to.data + i * to.ld, std::ldexp(1.0, -exponent + exponent / 2), x_.cols);
    });
    x_ = {to.data, to.rows, to.cols, to.ld};
    kernels::gram_(team_, square(r), x_.wide() ? Op::plain : Op::transposed, x_, T{1}, T{0});
    return exponent;
  }

  /// Divides X, by a factor kept for the next product with it, and its Gram matrix, by the norm bound.
  bool normalize(int r, int t) {
    int exponent = 0;
    double sum = trace(r, shared_.trace);
    if (!(sum >= smallest_square && sum <= largest_square)) {
      exponent = rescale(r);
      sum = trace(r, shared_.rescaled_trace);
    }
    double bound = std::sqrt(sum);
    const bool squared = job_.how->norm_bound == NormBound::schatten8 && sum > 0;
    if (job_.how->norm_bound == NormBound::schatten4) bound = std::sqrt(frobenius(r));
    if (squared) {
      combine(r, 0, {{1 / sum, r}}, Part::whole);  // to trace 1, so that its square is in range
      kernels::multiply_(team_, square(t), square(r), square(r), T{1}, T{0});
      bound *= std::sqrt(std::sqrt(frobenius(t)));
    }
    const double eps = job_.how->eps;
    const double norm = std::ldexp(bound, exponent);
    double divisor = job_.how->norm_eps == NormEps::clamp ? std::max(norm, eps) : norm + eps;
    if (std::isnan(norm) || std::isinf(norm)) divisor = std::numeric_limits<double>::quiet_NaN();
    if (divisor == 0) divisor = 1;  // eps 0 and an all-zero matrix, which stays zero
    scale_ = std::ldexp(1 / divisor, exponent);
    combine(r, 0, {{scale_ * scale_ * (squared ? sum : 1), r}}, Part::whole);
    if (squared) {
      const double factor = sum * scale_ * scale_;
      combine(t, 0, {{factor * factor, t}}, Part::whole);
    }
    normalized_ = true;
    return squared;
  }

  void add_diagonal(int q, double a) {
    if (a == 0) return;
    team_.once([&] {
      for (std::int64_t i = 0; i < layout_.m; ++i) *square(q).at(i, i) += static_cast<T>(a);
    });
  }

  Team team_;
  const PolarJob<T>& job_;
  Layout<T> layout_;
  Shared& shared_;
  Square<T> squares_[Layout<T>::squares];
  Rectangle<T> rectangles_[2];
  Rectangle<const T> x_;
  double scale_ = 1;  // of x, not yet applied
  bool normalized_ = false;
};

template <class T>
void run_job(int threads, Shared& shared, const PolarJob<T>& job, std::byte* memory) {
  BlasOps<T> ops(threads, shared, job, memory);
  polar::orthogonalize(ops, *job.how, static_cast<double>(job.result.longer()) / static_cast<double>(job.result.shorter()));
}

/// In multiply-adds, roughly; only compared with each other.
template <class T>
double cost(const PolarJob<T>& job) {
  const auto m = static_cast<double>(job.result.shorter());
  const auto n = static_cast<double>(job.result.longer());
  const double squares = job.how->method == Method::newton_schulz ? 4.0 * static_cast<double>(job.how->steps.size()) : 4.0;
  return m * m * (squares * m + 3 * n) * static_cast<double>(sizeof(T));
}

/// Below this cost, threads that share one matrix wait for each other longer than they save.
constexpr double worth_a_team = 6e8;

}  // namespace

template <class T>
void run_polar_jobs(std::vector<PolarJob<T>> jobs, kernels::Workspace& workspace, int threads) {
  std::erase_if(jobs, [](const PolarJob<T>& job) { return job.result.rows == 0 || job.result.cols == 0; });
  if (jobs.empty()) return;
  std::vector<std::pair<double, std::size_t>> order;
  double rest = 0;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    order.emplace_back(cost(jobs[i]), i);
    rest += order.back().first;
  }
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.first > b.first; });

  // the matrices that one thread would still be busy with when the others have done all the rest
  std::size_t together = 0;
  while (threads > 1 && together < order.size() && order[together].first > rest / threads &&
         order[together].first > worth_a_team) {
    rest -= order[together++].first;
  }
  std::size_t whole = 0;  // bytes for a matrix of the team, and for one of a single thread
  std::size_t single = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    std::size_t& bytes = i < together ? whole : single;
    bytes = std::max(bytes, Layout<T>(jobs[order[i].second]).bytes());
  }
  workspace.reserve(1, std::max(whole, single));
  workspace.reserve(static_cast<std::size_t>(threads), single);

  std::vector<Shared> shared(together);

  const kernels::OneBlasThread one_blas_thread(threads == 1);
#pragma omp parallel num_threads(threads) if (threads > 1)
  {
    const int team = omp_get_num_threads();
    for (std::size_t i = 0; i < together; ++i) run_job(team, shared[i], jobs[order[i].second], workspace.block(0));
    std::byte* const own = workspace.block(static_cast<std::size_t>(omp_get_thread_num()));
#pragma omp for schedule(dynamic, 1)
    for (std::size_t i = together; i < order.size(); ++i) {
      Shared alone;
      run_job(1, alone, jobs[order[i].second], own);
    }
  }
}

template void run_polar_jobs(std::vector<PolarJob<float>>, kernels::Workspace&, int);
template void run_polar_jobs(std::vector<PolarJob<double>>, kernels::Workspace&, int);

}  // namespace muon
