#include "matrix/polar_cpu.hpp"

#include "kernels/blas_threads.hpp"
#include "kernels/cholesky_inverse.hpp"
#include "kernels/elementwise.hpp"
#include "matrix/backend.hpp"
#include "matrix/polar.hpp"

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>

namespace muon {
namespace {

using kernels::MatrixRef;
using kernels::Op;
using kernels::SymmetricRef;
using kernels::Team;
using kernels::Triangle;
using polar::Part;
using polar::Term;

/// Between these squared norms, Gram matrices of float32 neither overflow nor lose digits to
/// denormal numbers.
constexpr double smallest_square = 1e-18;
constexpr double largest_square = 1e18;

/// Values from one row to the next: rows that are a multiple of 4 KiB apart would share one set of
/// the cache.
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
        second(alternates(job, static_cast<double>(job.result.longer()) / static_cast<double>(m))) {
  }

  static bool alternates(const PolarJob<T>& job, double ratio) {
    if (is_rational(job.method)) return !gram_form(ratio);  // what they fall back to iterates on X
    return job.options->steps.size() > (gram_form(ratio) ? 6 : 1);
  }

  // pages of those that a method does not write cost nothing
  static constexpr std::int64_t squares = 4;
  std::size_t bytes() const {
    return sizeof(T) * static_cast<std::size_t>(squares * m * ld + rectangle * (second ? 2 : 1));
  }
};

/// What the threads on one job share. Each number is written once a job, since a thread may read it
/// late.
struct SharedNumbers {
  kernels::Progress progress;
  double trace = 0, rescaled_trace = 0, largest = 0, frobenius = 0;
};

struct DoubleMath {
  static double at_least(double bound, double eps) { return std::max(bound, eps); }
  static double one_where_zero(double divisor) { return divisor == 0 ? 1 : divisor; }
};

/// The operations of polar.hpp on one matrix, by one team whose threads each hold an equal BlasOps.
template <class T>
class BlasOps {
 public:
  BlasOps(int threads, SharedNumbers& shared, const PolarJob<T>& job, std::byte* memory)
      : team_(threads, shared.progress), job_(job), layout_(job), shared_(shared), x_(job.x) {
    T* next = reinterpret_cast<T*>(memory);
    for (SymmetricRef<T>& square : squares_) {
      square = {next, layout_.m, layout_.ld};
      next += layout_.m * layout_.ld;
    }
    for (MatrixRef<T>& rectangle : rectangles_) {
      rectangle = {next, job.result.rows, job.result.cols, layout_.rectangle_ld};
      next += layout_.rectangle;
    }
    if (x_.data == nullptr) fill();
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
    kernels::multiply_(team_, square(c), square(a), square(b), static_cast<T>(alpha),
                       static_cast<T>(beta == 0 ? 0 : 1));
  }

  void combine(int c, double diagonal, std::initializer_list<Term> terms, Part part) {
    const auto triangle = part == Part::whole ? Triangle::both : Triangle::lower;
    const Term* const term = terms.begin();
    const auto at = [&](std::size_t i) {
      return kernels::Term<T>{static_cast<T>(term[i].factor), square(term[i].matrix)};
    };
    switch (terms.size()) {
      case 0: return kernels::combine_(team_, square(c), static_cast<T>(diagonal), {}, triangle);
      case 1:
        return kernels::combine_(team_, square(c), static_cast<T>(diagonal), {at(0)}, triangle);
      default:
        return kernels::combine_(team_, square(c), static_cast<T>(diagonal), {at(0), at(1)},
                                 triangle);
    }
  }

  bool invert(int a) { return kernels::cholesky_inverse_(team_, square(a)); }

  void apply(int q, double a) {
    const MatrixRef<T>& to = x_.data == rectangles_[0].data ? rectangles_[1] : rectangles_[0];
    add_diagonal(q, a);
    kernels::apply_(team_, to, square(q), x_, static_cast<T>(scale_), T{0});
    x_ = {to.data, to.rows, to.cols, to.ld};
    scale_ = 1;
  }

  void finish(int q, double a) {
    add_diagonal(q, a);
    kernels::apply_(team_, job_.result, square(q), x_, static_cast<T>(scale_ * job_.alpha),
                    static_cast<T>(job_.beta));
  }

 private:
  SymmetricRef<T> square(int index) const { return squares_[index]; }

  void fill() {
    const MatrixRef<T>& to = rectangles_[0];
    // a chunk stays in the cache
    const std::int64_t rows = std::max<std::int64_t>(1, (std::int64_t{1} << 14) / to.cols);
    team_.each((to.rows + rows - 1) / rows, [&](std::int64_t chunk) {
      job_.fill(to, chunk * rows, std::min(to.rows, (chunk + 1) * rows));
    });
    x_ = {to.data, to.rows, to.cols, to.ld};
  }

  double trace(int r, double& shared) {
    team_.once([&] {
      shared = 0;
      for (std::int64_t i = 0; i < layout_.m; ++i)
        shared += static_cast<double>(*square(r).at(i, i));
    });
    return shared;
  }

  /// Frobenius norm of a symmetric matrix that is stored as its lower triangle.
  double frobenius(int r) {
    team_.once([&] {
      double sum = 0;
      for (std::int64_t i = 0; i < layout_.m; ++i) {
        const T* const row = square(r).at(i, 0);
        double part = 0;
        for (std::int64_t j = 0; j < i; ++j)
          part += static_cast<double>(row[j]) * static_cast<double>(row[j]);
        sum += 2 * part + static_cast<double>(row[i]) * static_cast<double>(row[i]);
      }
      shared_.frobenius = std::sqrt(sum);
    });
    return shared_.frobenius;
  }

  /// x <- x / 2^e with e such that its largest value is near 1, and its Gram matrix again. Rare:
  /// only for entries whose squares leave the range of float32.
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
    const MatrixRef<T>& to = rectangles_[0];
    team_.each(x_.rows, [&](std::int64_t i) {
      // in two steps, since 2^-exponent of a denormal number may itself be out of range
      kernels::scale(to.data + i * to.ld, x_.data + i * x_.ld, std::ldexp(1.0, -exponent / 2),
                     x_.cols);
      kernels::scale(to.data + i * to.ld, to.data + i * to.ld,
                     std::ldexp(1.0, -exponent + exponent / 2), x_.cols);
    });
    x_ = {to.data, to.rows, to.cols, to.ld};
    kernels::gram_(team_, square(r), x_.wide() ? Op::plain : Op::transposed, x_, T{1}, T{0});
    return exponent;
  }

  /// Divides X, by a factor kept for the next product with it, and its Gram matrix, by the norm
  /// bound.
  bool normalize(int r, int t) {
    int exponent = 0;
    double sum = trace(r, shared_.trace);
    if (!(sum >= smallest_square && sum <= largest_square)) {
      exponent = rescale(r);
      sum = trace(r, shared_.rescaled_trace);
    }
    double bound = std::sqrt(sum);
    const bool squared = job_.options->norm_bound == NormBound::schatten8 && sum > 0;
    if (job_.options->norm_bound == NormBound::schatten4) bound = std::sqrt(frobenius(r));
    if (squared) {
      combine(r, 0, {{1 / sum, r}}, Part::whole);  // to trace 1, so that its square is in range
      kernels::multiply_(team_, square(t), square(r), square(r), T{1}, T{0});
      bound *= std::sqrt(std::sqrt(frobenius(t)));
    }
    const double norm = std::ldexp(bound, exponent);
    const double divisor = std::isfinite(norm)
                               ? polar::norm_divisor<DoubleMath>(norm, *job_.options)
                               : std::numeric_limits<double>::quiet_NaN();
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
  SharedNumbers& shared_;
  SymmetricRef<T> squares_[Layout<T>::squares];
  MatrixRef<T> rectangles_[2];
  MatrixRef<const T> x_;
  double scale_ = 1;  // of x, not yet applied
  bool normalized_ = false;
};

template <class T>
double ratio_of(const PolarJob<T>& job) {
  return static_cast<double>(job.result.longer()) / static_cast<double>(job.result.shorter());
}

/// Roughly, in multiply-adds; only compared with each other.
template <class T>
double cost(const PolarJob<T>& job) {
  const auto m = static_cast<double>(job.result.shorter());
  const auto n = static_cast<double>(job.result.longer());
  const double squares =
      is_rational(job.method) ? 4.0 : 4.0 * static_cast<double>(job.options->steps.size());
  return m * m * (squares * m + 3 * n) * static_cast<double>(sizeof(T));
}

/// Below this cost, threads that share one matrix wait for each other longer than they save.
constexpr double worth_a_team = 6e8;

}  // namespace

template <class T>
struct PolarBatch<T>::Shared : SharedNumbers {};

template <class T>
PolarBatch<T>::PolarBatch(std::vector<PolarJob<T>> jobs, int threads)
    : jobs_(std::move(jobs)), threads_(threads), fallback_(polar_express_steps()) {
  std::erase_if(
      jobs_, [](const PolarJob<T>& job) { return job.result.rows == 0 || job.result.cols == 0; });
  std::stable_sort(jobs_.begin(), jobs_.end(),
                   [](const PolarJob<T>& a, const PolarJob<T>& b) { return cost(a) > cost(b); });
  double rest = 0;
  for (const PolarJob<T>& job : jobs_) rest += cost(job);
  // together: the matrices that one thread would still be busy with when the others have done all
  // the rest
  while (threads > 1 && together_ < jobs_.size()) {
    const double next = cost(jobs_[together_]);
    if (next <= rest / threads || next <= worth_a_team) break;
    rest -= next;
    ++together_;
  }
  for (std::size_t i = 0; i < jobs_.size(); ++i) {
    std::size_t& bytes = i < together_ ? team_bytes_ : single_bytes_;
    bytes = std::max(bytes, Layout<T>(jobs_[i]).bytes());
  }
  shared_ = std::vector<Shared>(together_);
}

template <class T>
PolarBatch<T>::~PolarBatch() = default;
template <class T>
PolarBatch<T>::PolarBatch(PolarBatch&&) noexcept = default;

template <class T>
void PolarBatch<T>::reserve(kernels::Workspace& workspace) const {
  if (jobs_.empty()) return;
  workspace.reserve(1, std::max(team_bytes_, single_bytes_));
  workspace.reserve(static_cast<std::size_t>(threads_), single_bytes_);
}

template <class T>
void PolarBatch<T>::run(kernels::Workspace& workspace) {
  if (jobs_.empty()) return;
  const auto run_job = [this](int threads, SharedNumbers& shared, const PolarJob<T>& job,
                              std::byte* memory) {
    BlasOps<T> ops(threads, shared, job, memory);
    polar::orthogonalize(ops, job.method, job.options->steps, fallback_, ratio_of(job));
  };
  const kernels::OneBlasThread one_blas_thread(threads_ == 1);
#pragma omp parallel num_threads(threads_) if (threads_ > 1)
  {
    const int team = omp_get_num_threads();
    for (std::size_t i = 0; i < together_; ++i)
      run_job(team, shared_[i], jobs_[i], workspace.block(0));
    std::byte* const own = workspace.block(static_cast<std::size_t>(omp_get_thread_num()));
#pragma omp for schedule(dynamic, 1)
    for (std::size_t i = together_; i < jobs_.size(); ++i) {
      SharedNumbers alone;
      run_job(1, alone, jobs_[i], own);
    }
  }
}

template class PolarBatch<float>;
template class PolarBatch<double>;

}  // namespace muon
