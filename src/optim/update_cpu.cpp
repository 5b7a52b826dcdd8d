#include "optim/update_cpu.hpp"

#include "kernels/elementwise.hpp"
#include "kernels/workspace.hpp"
#include "matrix/backend.hpp"
#include "optim/kernel_tensors.hpp"
#ifdef MUON_HAS_BLAS
#include "matrix/polar_cpu.hpp"
#endif

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/optim/adamw.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <optional>
#include <utility>

namespace muon {
namespace {

bool is_kernel_type(at::ScalarType type) { return type == at::kFloat || type == at::kDouble; }

/// The longest side of the update's matrices or distance between their rows.
std::int64_t longest(const MuonUpdate& update) {
  std::int64_t most = 0;
  for (const MatrixBlock& block : *update.blocks)
    most = std::max({most, block.rows, block.cols, block.ld});
  return most;
}

Backend backend_of(const MuonUpdate& update) {
  return backend_for(update.parameter.device(), update.parameter.scalar_type(), longest(update),
                     *update.orthogonalize);
}

#ifdef MUON_HAS_BLAS
/// The jobs of one update, on tensors of type T in the kernels' layout.
template <class T>
void add_jobs(const MuonUpdate& update, Method method, const at::Tensor& parameter,
              const at::Tensor& gradient, const at::Tensor& buffer,
              std::vector<PolarJob<T>>& jobs) {
  const MuonOptions& options = *update.options;
  for (const MatrixBlock& block : *update.blocks) {
    const std::int64_t rows = block.transposed ? block.cols : block.rows;
    const std::int64_t cols = block.transposed ? block.rows : block.cols;
    PolarJob<T> job;
    job.alpha = -options.lr() * lr_factor(options, block.rows, block.cols);
    job.beta = 1 - options.lr() * options.weight_decay();
    job.options = update.orthogonalize;
    job.method = method;
    for (std::int64_t i = 0; i < block.count; ++i) {
      const std::int64_t offset = block.offset + i * block.step;
      job.result = {data<T>(parameter) + offset, rows, cols, block.ld};
      job.fill = [g = data<T>(gradient) + offset, b = data<T>(buffer) + offset, ld = block.ld,
                  momentum = options.momentum(), nesterov = options.nesterov()](
                     const kernels::MatrixRef<T>& x, std::int64_t first, std::int64_t last) {
        for (std::int64_t row = first; row < last; ++row)
          kernels::momentum(b + row * ld, x.data + row * x.ld, g + row * ld, momentum, nesterov,
                            x.cols);
      };
      jobs.push_back(job);
    }
  }
}

/// The updates whose products are of type T.
template <class T>
class MuonCpu : public PreparedUpdate {
 public:
  MuonCpu(const std::vector<MuonUpdate>& updates, kernels::Workspace& workspace)
      : workspace_(workspace) {
    StagingArea area(std::is_same_v<T, double> ? at::kDouble : at::kFloat);
    std::vector<std::size_t> ends;  // of batches
    for (const MuonUpdate& update : updates) {
      tensors_.push_back(
          {area.add(update.parameter), area.add(update.gradient), area.add(update.buffer)});
      if (!area.is_full()) continue;
      ends.push_back(tensors_.size());
      area.begin_batch();
    }
    if (ends.empty() || ends.back() < tensors_.size()) ends.push_back(tensors_.size());
    area.allocate();
    const int threads = at::get_num_threads();
    std::size_t i = 0;
    for (const std::size_t end : ends) {
      std::vector<PolarJob<T>> jobs;
      for (; i < end; ++i) {
        auto& [parameter, gradient, buffer] = tensors_[i];
        for (KernelTensor* staged : {&parameter, &gradient, &buffer}) area.place(*staged);
        add_jobs(updates[i], backend_of(updates[i]).method, parameter.tensor(), gradient.tensor(),
                 buffer.tensor(), jobs);
      }
      batches_.push_back({end, PolarBatch<T>(std::move(jobs), threads)});
      batches_.back().polar.reserve(workspace_);
    }
  }

  void apply() override {
    std::size_t begin = 0;
    for (Batch& batch : batches_) {
      for (std::size_t i = begin; i < batch.end; ++i) {
        for (const KernelTensor& staged : tensors_[i]) staged.copy_in();
      }
      batch.polar.run(workspace_);
      for (std::size_t i = begin; i < batch.end; ++i) {
        tensors_[i][0].copy_out();
        tensors_[i][2].copy_out();
      }
      begin = batch.end;
    }
  }

 private:
  struct Batch {
    std::size_t end;
    PolarBatch<T> polar;
  };

  kernels::Workspace& workspace_;
  std::vector<std::array<KernelTensor, 3>> tensors_;  // parameter, gradient, buffer
  std::vector<Batch> batches_;
};

class MuonCpuOfBothTypes : public PreparedUpdate {
 public:
  MuonCpuOfBothTypes(const std::vector<MuonUpdate>& updates, kernels::Workspace& workspace) {
    std::vector<MuonUpdate> floats, doubles;
    for (const MuonUpdate& update : updates)
      (backend_of(update).dtype == at::kDouble ? doubles : floats).push_back(update);
    floats_.emplace(floats, workspace);
    doubles_.emplace(doubles, workspace);
  }
  void apply() override {
    floats_->apply();
    doubles_->apply();
  }

 private:
  std::optional<MuonCpu<float>> floats_;
  std::optional<MuonCpu<double>> doubles_;
};
#endif

kernels::AdamWFactors factors_of(const AdamWUpdate& update, double step) {
  const auto& options = *update.options;
  const auto [beta1, beta2] = options.betas();
  return {beta1,
          beta2,
          options.eps(),
          1 - options.lr() * options.weight_decay(),
          options.lr() / (1 - std::pow(beta1, step)),
          1 / std::sqrt(1 - std::pow(beta2, step))};
}

/// The AdamW updates of parameters that are computed in one type.
template <class T>
class AdamWCpu : public PreparedUpdate {
 public:
  explicit AdamWCpu(const std::vector<AdamWUpdate>& updates) : threads_(at::get_num_threads()) {
    StagingArea area(std::is_same_v<T, double> ? at::kDouble : at::kFloat);
    batches_.emplace_back();
    for (const AdamWUpdate& update : updates) {
      if (area.is_full()) {
        batches_.emplace_back();
        area.begin_batch();
      }
      auto& state = *update.state;
      const at::Tensor largest = update.options->amsgrad() ? state.max_exp_avg_sq() : at::Tensor();
      batches_.back().tasks.push_back(
          {update,
           factors_of(update, static_cast<double>(state.step() + 1)),
           {area.add(update.parameter), area.add(update.gradient), area.add(state.exp_avg()),
            area.add(state.exp_avg_sq()), area.add(largest)}});
    }
    area.allocate();
    for (Batch& batch : batches_) {
      for (Task& task : batch.tasks) {
        for (KernelTensor& staged : task.tensors) area.place(staged);
      }
      batch.chunks = chunks_of(batch.tasks.size(), [&](std::size_t i) {
        return batch.tasks[i].update.parameter.numel();
      });
    }
  }

  void apply() override {
    for (const Batch& batch : batches_) {
      for (const Task& task : batch.tasks) {
        for (const KernelTensor& staged : task.tensors) staged.copy_in();
        task.update.state->step(task.update.state->step() + 1);
      }
      each_chunk(batch.chunks, threads_,
                 [&](const Chunk& chunk) { run(batch.tasks[chunk.tensor], chunk); });
      for (const Task& task : batch.tasks) {
        for (const std::size_t written : {0, 2, 3, 4}) task.tensors[written].copy_out();
      }
    }
  }

 private:
  struct Task {
    AdamWUpdate update;
    kernels::AdamWFactors factors;
    std::array<KernelTensor, 5> tensors;  // parameter, gradient, average, square, largest square
  };
  struct Batch {
    std::vector<Task> tasks;
    std::vector<Chunk> chunks;
  };

  static void run(const Task& task, const Chunk& chunk) {
    const auto at = [&](std::size_t i) {
      const at::Tensor& tensor = task.tensors[i].tensor();
      return tensor.defined() ? data<T>(tensor) + chunk.first : nullptr;
    };
    kernels::adamw(at(0), at(1), at(2), at(3), at(4), task.factors, chunk.count);
  }

  int threads_;
  std::vector<Batch> batches_;
};

class AdamWCpuOfBothTypes : public PreparedUpdate {
 public:
  explicit AdamWCpuOfBothTypes(const std::vector<AdamWUpdate>& updates) {
    std::vector<AdamWUpdate> floats, doubles;
    for (const AdamWUpdate& update : updates)
      (update.parameter.scalar_type() == at::kDouble ? doubles : floats).push_back(update);
    floats_.emplace(floats);
    doubles_.emplace(doubles);
  }
  void apply() override {
    floats_->apply();
    doubles_->apply();
  }

 private:
  std::optional<AdamWCpu<float>> floats_;
  std::optional<AdamWCpu<double>> doubles_;
};

/// The number of values that are copied at most before they are checked.
constexpr std::int64_t nonfinite_values = std::int64_t{1} << 24;

at::Tensor contiguous_copy(const at::Tensor& tensor, at::ScalarType type) {
  return tensor.to(type).contiguous().resolve_neg();
}

}  // namespace

std::vector<std::size_t> nonfinite_cpu(const std::vector<at::Tensor>& tensors) {
  std::vector<at::Tensor> ready(tensors.size());
  std::int64_t copied = 0;
  std::vector<std::atomic<bool>> bad(tensors.size());
  std::size_t begin = 0;
  const auto check = [&](std::size_t end) {
    const auto chunks = chunks_of(end - begin, [&](std::size_t i) {
      return ready[begin + i].defined() ? ready[begin + i].numel() : 0;
    });
    each_chunk(chunks, at::get_num_threads(), [&](const Chunk& chunk) {
      const at::Tensor& tensor = ready[begin + chunk.tensor];
      const bool finite = tensor.scalar_type() == at::kDouble
                              ? kernels::all_finite(data<double>(tensor) + chunk.first, chunk.count)
                              : kernels::all_finite(data<float>(tensor) + chunk.first, chunk.count);
      if (!finite) bad[begin + chunk.tensor].store(true, std::memory_order_relaxed);
    });
    std::fill(ready.begin() + static_cast<std::ptrdiff_t>(begin),
              ready.begin() + static_cast<std::ptrdiff_t>(end), at::Tensor());
    begin = end;
    copied = 0;
  };
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (!tensors[i].is_cpu()) continue;
    const auto own = tensors[i].scalar_type();
    ready[i] = contiguous_copy(tensors[i], is_kernel_type(own) ? own : at::kFloat);
    if (!ready[i].is_same(tensors[i])) copied += tensors[i].numel();
    if (copied >= nonfinite_values) check(i + 1);
  }
  check(tensors.size());
  std::vector<std::size_t> result;
  for (std::size_t i = 0; i < bad.size(); ++i) {
    if (bad[i]) result.push_back(i);
  }
  return result;
}

bool supported_by_kernels(const MuonUpdate& update) {
  const Backend backend = backend_of(update);
  // the kernels update the momentum in the type of the products, which would lose digits of a
  // float64 momentum
  const bool loses_digits =
      update.parameter.scalar_type() == at::kDouble && backend.dtype != at::kDouble;
  return backend.uses_kernels() && !loses_digits;
}

std::unique_ptr<PreparedUpdate> prepare_muon_cpu(
    [[maybe_unused]] const std::vector<MuonUpdate>& updates,
    [[maybe_unused]] kernels::Workspace& workspace) {
#ifdef MUON_HAS_BLAS
  return std::make_unique<MuonCpuOfBothTypes>(updates, workspace);
#else
  return nullptr;  // nothing is supported_by_kernels
#endif
}

std::unique_ptr<PreparedUpdate> prepare_adamw_cpu(const std::vector<AdamWUpdate>& updates) {
  return std::make_unique<AdamWCpuOfBothTypes>(updates);
}

}  // namespace muon
