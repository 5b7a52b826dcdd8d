#include "optim/update_cpu.hpp"

#include "kernels/elementwise.hpp"
#include "kernels/workspace.hpp"
#ifdef MUON_HAS_BLAS
#include "matrix/polar_cpu.hpp"
#endif

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/optim/adamw.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <utility>

namespace muon {
namespace {

/// Values a thread takes at a time, and below which one thread does all.
constexpr std::int64_t chunk_values = std::int64_t{1} << 15;

/// Tensors that the kernels cannot read in place are copied; no more than this many values at once.
constexpr std::int64_t staged_values = std::int64_t{1} << 24;

/// A piece of one of many tensors.
struct Chunk {
  std::size_t tensor;
  std::int64_t first;
  std::int64_t count;
};

template <class Counts>
std::vector<Chunk> chunks_of(std::size_t tensors, const Counts& count_of) {
  std::vector<Chunk> chunks;
  for (std::size_t i = 0; i < tensors; ++i) {
    const std::int64_t count = count_of(i);
    for (std::int64_t first = 0; first < count; first += chunk_values) {
      chunks.push_back({i, first, std::min(chunk_values, count - first)});
    }
  }
  return chunks;
}

/// Calls work(chunk) for every chunk, on LibTorch's threads. Neighbours go together, so that many small tensors do not cost a
/// change of hands each.
template <class Work>
void each_chunk(const std::vector<Chunk>& chunks, const Work& work) {
  std::int64_t total = 0;
  for (const Chunk& chunk : chunks) total += chunk.count;
  const auto count = static_cast<std::int64_t>(chunks.size());
  const int threads = total <= chunk_values ? 1 : at::get_num_threads();
  const std::int64_t together = std::max<std::int64_t>(1, count * chunk_values / (2 * std::max<std::int64_t>(1, total)));
#pragma omp parallel for schedule(dynamic, together) num_threads(threads) if (threads > 1)
  for (std::int64_t i = 0; i < count; ++i) work(chunks[static_cast<std::size_t>(i)]);
}

bool is_kernel_type(at::ScalarType type) { return type == at::kFloat || type == at::kDouble; }

template <class T>
T* data(const at::Tensor& tensor) {
  return static_cast<T*>(tensor.data_ptr());
}

/// `tensor` as the kernels want it: contiguous and of `type`. Itself if it is so already.
at::Tensor to_kernel_layout(const at::Tensor& tensor, at::ScalarType type) { return tensor.to(type).contiguous().resolve_neg(); }

/// Autograd is to notice that a tensor was written, as it does with ATen's own operations.
void write_back(const at::Tensor& original, const at::Tensor& copy) {
  if (!original.is_same(copy)) {
    original.copy_(copy);
  } else if (!original.is_inference()) {
    original.unsafeGetTensorImpl()->bump_version();
  }
}

#ifdef MUON_HAS_BLAS
at::ScalarType compute_dtype(const MuonUpdate& update) {
  if (update.how->compute_dtype == ComputeDtype::float64) return at::kDouble;
  const bool own = update.how->compute_dtype == ComputeDtype::automatic && update.parameter.scalar_type() == at::kDouble;
  return own ? at::kDouble : at::kFloat;
}

/// Whether the kernels can take it: BLAS counts rows, columns and the way from row to row in 32 bits; and a float64 parameter
/// whose products alone are to be float32 is ATen's.
bool fits(const MuonUpdate& update) {
  if (!update.parameter.is_cpu() || update.how->compute_dtype == ComputeDtype::bfloat16) return false;
  if (update.parameter.scalar_type() == at::kDouble && update.how->compute_dtype == ComputeDtype::float32) return false;
  constexpr std::int64_t most = std::numeric_limits<int>::max() - 64;
  for (const MatrixBlock& block : update.view->blocks(update.parameter.sizes())) {
    if (block.rows > most || block.cols > most || block.ld > most) return false;
  }
  return true;
}

/// The jobs of one parameter, whose three tensors are contiguous and of type T.
template <class T>
void add_jobs(const MuonUpdate& update, std::vector<PolarJob<T>>& jobs) {
  const MuonOptions& options = *update.options;
  for (const MatrixBlock& block : update.view->blocks(update.parameter.sizes())) {
    const std::int64_t rows = block.transposed ? block.cols : block.rows;
    const std::int64_t cols = block.transposed ? block.rows : block.cols;
    PolarJob<T> job;
    job.momentum = options.momentum();
    job.nesterov = options.nesterov();
    job.factor = -options.lr() * lr_factor(options.adjust_lr_fn(), block.rows, block.cols);
    job.keep = 1 - options.lr() * options.weight_decay();
    job.how = update.how;
    for (std::int64_t i = 0; i < block.count; ++i) {
      const std::int64_t offset = block.offset + i * block.step;
      job.gradient = {data<T>(update.gradient) + offset, rows, cols, block.ld};
      job.buffer = {data<T>(update.buffer) + offset, rows, cols, block.ld};
      job.result = {data<T>(update.parameter) + offset, rows, cols, block.ld};
      jobs.push_back(job);
    }
  }
}

/// Updates of one type, and the copies among their tensors.
template <class T>
class Batch {
 public:
  explicit Batch(kernels::Workspace& workspace) : workspace_(workspace) {}

  void add(const MuonUpdate& update) {
    constexpr auto type = std::is_same_v<T, double> ? at::kDouble : at::kFloat;
    MuonUpdate ready = update;
    ready.parameter = to_kernel_layout(update.parameter, type);
    ready.gradient = to_kernel_layout(update.gradient, type);
    ready.buffer = to_kernel_layout(update.buffer, type);
    add_jobs(ready, jobs_);
    const bool copied = !ready.parameter.is_same(update.parameter) || !ready.buffer.is_same(update.buffer);
    if (copied || !ready.gradient.is_same(update.gradient)) values_ += update.parameter.numel();
    updates_.emplace_back(update, std::move(ready));
    if (values_ >= staged_values) run();
  }

  void run() {
    run_polar_jobs(std::move(jobs_), workspace_, at::get_num_threads());
    for (const auto& [original, ready] : updates_) {
      write_back(original.parameter, ready.parameter);
      write_back(original.buffer, ready.buffer);
    }
    jobs_.clear();
    updates_.clear();
    values_ = 0;
  }

 private:
  kernels::Workspace& workspace_;
  std::vector<PolarJob<T>> jobs_;
  std::vector<std::pair<MuonUpdate, MuonUpdate>> updates_;  // as given, and as the jobs see it
  std::int64_t values_ = 0;                                 // copied
};
#endif

/// What adamw of one tensor needs, whatever its type.
struct AdamWTask {
  AdamWUpdate update;
  at::Tensor parameter, gradient, average, square, largest;
  kernels::AdamWFactors factors;
};

AdamWTask adamw_task(const AdamWUpdate& update) {
  const auto& options = *update.options;
  auto& state = *update.state;
  const auto own = update.parameter.scalar_type();
  const auto type = is_kernel_type(own) ? own : at::kFloat;
  const auto [beta1, beta2] = options.betas();
  const auto step = static_cast<double>(state.step());
  AdamWTask task{update,
                 to_kernel_layout(update.parameter, type),
                 to_kernel_layout(update.gradient, type),
                 to_kernel_layout(state.exp_avg(), type),
                 to_kernel_layout(state.exp_avg_sq(), type),
                 options.amsgrad() ? to_kernel_layout(state.max_exp_avg_sq(), type) : at::Tensor(),
                 {}};
  task.factors = {beta1,
                  beta2,
                  options.eps(),
                  1 - options.lr() * options.weight_decay(),
                  options.lr() / (1 - std::pow(beta1, step)),
                  1 / std::sqrt(1 - std::pow(beta2, step))};
  return task;
}

template <class T>
void adamw_chunk(const AdamWTask& task, const Chunk& chunk) {
  kernels::adamw(data<T>(task.parameter) + chunk.first, data<T>(task.gradient) + chunk.first, data<T>(task.average) + chunk.first,
                 data<T>(task.square) + chunk.first, task.largest.defined() ? data<T>(task.largest) + chunk.first : nullptr,
                 task.factors, chunk.count);
}

}  // namespace

std::vector<std::size_t> nonfinite_cpu(const std::vector<at::Tensor>& tensors) {
  std::vector<at::Tensor> ready(tensors.size());
  std::int64_t copied = 0;
  std::vector<std::atomic<bool>> bad(tensors.size());
  std::size_t begin = 0;
  const auto check = [&](std::size_t end) {
    const auto chunks =
        chunks_of(end - begin, [&](std::size_t i) { return ready[begin + i].defined() ? ready[begin + i].numel() : 0; });
    each_chunk(chunks, [&](const Chunk& chunk) {
      const at::Tensor& tensor = ready[begin + chunk.tensor];
      const bool finite = tensor.scalar_type() == at::kDouble
                              ? kernels::all_finite(data<double>(tensor) + chunk.first, chunk.count)
                              : kernels::all_finite(data<float>(tensor) + chunk.first, chunk.count);
      if (!finite) bad[begin + chunk.tensor].store(true, std::memory_order_relaxed);
    });
    std::fill(ready.begin() + static_cast<std::ptrdiff_t>(begin), ready.begin() + static_cast<std::ptrdiff_t>(end), at::Tensor());
    begin = end;
    copied = 0;
  };
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (!tensors[i].is_cpu()) continue;
    const auto own = tensors[i].scalar_type();
    ready[i] = to_kernel_layout(tensors[i], is_kernel_type(own) ? own : at::kFloat);
    if (!ready[i].is_same(tensors[i])) copied += tensors[i].numel();
    if (copied >= staged_values) check(i + 1);
  }
  check(tensors.size());
  std::vector<std::size_t> result;
  for (std::size_t i = 0; i < bad.size(); ++i) {
    if (bad[i]) result.push_back(i);
  }
  return result;
}

void muon_step_cpu(const std::vector<MuonUpdate>& updates, [[maybe_unused]] kernels::Workspace& workspace,
                   std::vector<MuonUpdate>& others) {
#ifdef MUON_HAS_BLAS
  Batch<float> floats(workspace);
  Batch<double> doubles(workspace);
  for (const MuonUpdate& update : updates) {
    if (!fits(update)) {
      others.push_back(update);
    } else if (compute_dtype(update) == at::kDouble) {
      doubles.add(update);
    } else {
      floats.add(update);
    }
  }
  floats.run();
  doubles.run();
#else
  others = updates;
#endif
}

void adamw_step_cpu(const std::vector<AdamWUpdate>& updates, std::vector<AdamWUpdate>& others) {
  std::vector<AdamWTask> tasks;
  std::int64_t copied = 0;
  const auto run = [&] {
    each_chunk(chunks_of(tasks.size(), [&](std::size_t i) { return tasks[i].parameter.numel(); }), [&](const Chunk& chunk) {
      const AdamWTask& task = tasks[chunk.tensor];
      task.parameter.scalar_type() == at::kDouble ? adamw_chunk<double>(task, chunk) : adamw_chunk<float>(task, chunk);
    });
    for (const AdamWTask& task : tasks) {
      write_back(task.update.parameter, task.parameter);
      write_back(task.update.state->exp_avg(), task.average);
      write_back(task.update.state->exp_avg_sq(), task.square);
      if (task.largest.defined()) write_back(task.update.state->max_exp_avg_sq(), task.largest);
    }
    tasks.clear();
    copied = 0;
  };
  for (const AdamWUpdate& update : updates) {
    if (!update.parameter.is_cpu()) {
      others.push_back(update);
      continue;
    }
    tasks.push_back(adamw_task(update));
    const AdamWTask& task = tasks.back();
    const bool in_place = task.parameter.is_same(update.parameter) && task.gradient.is_same(update.gradient) &&
                          task.average.is_same(update.state->exp_avg()) && task.square.is_same(update.state->exp_avg_sq());
    if (!in_place) copied += update.parameter.numel();
    if (copied >= staged_values) run();
  }
  run();
}

}  // namespace muon
