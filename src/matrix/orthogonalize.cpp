#include <muon/matrix/orthogonalize.hpp>

#include "matrix/backend.hpp"
#include "matrix/enum_names.hpp"
#include "matrix/polar_aten.hpp"
#ifdef MUON_HAS_BLAS
#include "matrix/polar_cpu.hpp"
#endif

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

namespace muon {
namespace {

[[noreturn]] void refuse(const std::string& what) {
  throw std::invalid_argument("[orthogonalize] " + what);
}

std::vector<NewtonSchulzStep> repeat_last(std::vector<NewtonSchulzStep> steps, int count) {
  if (count < 0) refuse(fmt::format("the number of steps is {}; give 0 or more", count));
  steps.resize(static_cast<std::size_t>(count), steps.back());
  return steps;
}

#ifdef MUON_HAS_BLAS
/// Orthogonalizes a batch [count, rows, cols]. A batch whose columns are contiguous is not copied:
/// the factor of the transposed matrix is the transposed factor.
template <class T>
at::Tensor orthogonalize_cpu(const at::Tensor& batch, const OrthogonalizeOptions& options,
                             const Backend& backend) {
  const bool by_columns = !batch.is_contiguous() && batch.transpose(1, 2).is_contiguous();
  const at::Tensor x = (by_columns ? batch.transpose(1, 2) : batch.contiguous()).resolve_neg();
  const at::Tensor y = at::empty_like(x, at::MemoryFormat::Contiguous);
  const std::int64_t rows = x.size(1);
  const std::int64_t cols = x.size(2);
  std::vector<PolarJob<T>> jobs(static_cast<std::size_t>(x.size(0)));
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const std::int64_t offset = static_cast<std::int64_t>(i) * rows * cols;
    jobs[i].x = {x.data_ptr<T>() + offset, rows, cols, cols};
    jobs[i].result = {y.data_ptr<T>() + offset, rows, cols, cols};
    jobs[i].options = &options;
    jobs[i].method = backend.method;
  }
  PolarBatch<T> polar(std::move(jobs), at::get_num_threads());
  kernels::Workspace workspace;
  polar.reserve(workspace);
  polar.run(workspace);
  return by_columns ? y.transpose(1, 2).contiguous() : y;
}
#endif

}  // namespace

std::vector<NewtonSchulzStep> jordan_steps(int count) {
  return repeat_last({{3.4445, -4.7750, 2.0315}}, count);
}

std::vector<NewtonSchulzStep> jiacheng_you_steps() {
  return {{4.0848, -6.8946, 2.9270},
          {3.9505, -6.3029, 2.6377},
          {3.7418, -5.5913, 2.3037},
          {2.8769, -3.1427, 1.2046},
          {2.8366, -3.0525, 1.2012}};
}

std::vector<NewtonSchulzStep> polar_express_steps() {
  std::vector<NewtonSchulzStep> steps{
      {8.156554524902461, -22.48329292557795, 15.878769915207462},
      {4.042929935166739, -2.808917465908714, 0.5000178451051316},
      {3.8916678022926607, -2.772484153217685, 0.5060648178503393},
      {3.285753657755655, -2.3681294933425376, 0.46449024233003106},
      {2.3465413258596377, -1.7097828382687081, 0.42323551169305323}};
  constexpr double safety = 1.02;  // x / safety in p(x) = a x + b x^3 + c x^5
  steps[0] = {steps[0].a / safety, steps[0].b / std::pow(safety, 3),
              steps[0].c / std::pow(safety, 5)};
  return steps;
}

std::vector<NewtonSchulzStep> polar_express_paper_steps(int count) {
  return repeat_last({{8.28721201814563, -23.595886519098837, 17.300387312530933},
                      {4.107059111542203, -2.9478499167379106, 0.5448431082926601},
                      {3.9486908534822946, -2.908902115962949, 0.5518191394370137},
                      {3.3184196573706015, -2.488488024314874, 0.51004894012372},
                      {2.300652019954817, -1.6689039845747493, 0.4188073119525673},
                      {1.891301407787398, -1.2679958271945868, 0.37680408948524835},
                      {1.8750014808534479, -1.2500016453999487, 0.3750001645474248},
                      {1.875, -1.25, 0.375}},
                     count);
}

std::vector<NewtonSchulzStep> converging_steps(int count) {
  return repeat_last({{2, -1.5, 0.5}}, count);
}

at::Tensor orthogonalize(const at::Tensor& matrix, const OrthogonalizeOptions& options) {
  if (!matrix.defined()) refuse("the matrix is undefined");
  if (matrix.layout() != at::kStrided) refuse("the matrix is sparse; call .to_dense() first");
  if (!at::isFloatingType(matrix.scalar_type())) {
    refuse(fmt::format("the matrix is of type {}; a real floating type is needed",
                       c10::toString(matrix.scalar_type())));
  }
  if (matrix.dim() < 2)
    refuse(
        fmt::format("the input has {} dimensions; a matrix has two, a batch more", matrix.dim()));
  if (!(std::isfinite(options.eps) && options.eps >= 0))
    refuse(fmt::format("eps is {}; give a finite number of at least 0", options.eps));

  const c10::NoGradGuard no_grad;
  if (matrix.numel() == 0) return matrix.clone();
  const std::int64_t rows = matrix.size(-2);
  const std::int64_t cols = matrix.size(-1);
  const at::Tensor batch = matrix.detach().reshape({-1, rows, cols});
  const Backend backend =
      backend_for(matrix.device(), matrix.scalar_type(), std::max(rows, cols), options);
#ifdef MUON_HAS_BLAS
  if (backend.uses_kernels()) {
    const at::Tensor result =
        backend.dtype == at::kDouble
            ? orthogonalize_cpu<double>(batch.to(at::kDouble), options, backend)
            : orthogonalize_cpu<float>(batch.to(at::kFloat), options, backend);
    return result.to(matrix.scalar_type()).reshape(matrix.sizes());
  }
#endif
  return orthogonalize_aten(batch, options, backend)
      .to(matrix.scalar_type())
      .reshape(matrix.sizes());
}

std::string_view to_string(Method method) { return name_of(method); }
std::string_view to_string(NormBound bound) { return name_of(bound); }
std::string_view to_string(ComputeDtype dtype) { return name_of(dtype); }
std::string_view to_string(NormEps rule) { return name_of(rule); }

}  // namespace muon
