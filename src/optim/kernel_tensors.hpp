// Tensors in the layout of the kernels: contiguous, float or double. All others are copied, batch
// by batch, into one block of memory that is allocated before the first batch.
#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace muon {

template <class T>
T* data(const at::Tensor& tensor) {
  return static_cast<T*>(tensor.data_ptr());
}

/// Whether the kernels can work on `tensor` itself.
bool has_kernel_layout(const at::Tensor& tensor, at::ScalarType type);

/// One tensor of an update.
class KernelTensor {
 public:
  /// The tensor that the kernels read and write. Valid after StagingArea::allocate.
  const at::Tensor& tensor() const { return tensor_; }
  bool is_copied() const { return offset_ >= 0; }

  void copy_in() const;
  /// Also bumps the version counter of the original, as ATen's own operations do.
  void copy_out() const;

 private:
  friend class StagingArea;
  at::Tensor original_, tensor_;
  std::int64_t offset_ = -1;  // in the staging area
};

/// The block of memory for copies of one type.
class StagingArea {
 public:
  explicit StagingArea(at::ScalarType type) : type_(type) {}

  /// An undefined tensor stays undefined.
  KernelTensor add(const at::Tensor& tensor);

  /// Whether the batch has grown so large that a new one should begin.
  bool is_full() const { return used_ >= batch_values; }
  void begin_batch() { used_ = 0; }

  /// Allocates the memory for the largest batch.
  void allocate();
  void place(KernelTensor& staged) const;

 private:
  static constexpr std::int64_t batch_values = std::int64_t{3} << 24;

  at::ScalarType type_;
  at::Tensor memory_;
  std::int64_t used_ = 0, most_ = 0;
};

/// A range of one of several tensors.
struct Chunk {
  std::size_t tensor;
  std::int64_t first;
  std::int64_t count;
};

/// The number of values that a thread processes at a time; up to it, one thread does everything.
constexpr std::int64_t chunk_values = std::int64_t{1} << 15;

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

/// Calls work(chunk) for every chunk, on `most_threads` threads. Consecutive chunks are scheduled
/// together, so that many small tensors do not cost one scheduling step each.
template <class Work>
void each_chunk(const std::vector<Chunk>& chunks, int most_threads, const Work& work) {
  std::int64_t total = 0;
  for (const Chunk& chunk : chunks) total += chunk.count;
  const auto count = static_cast<std::int64_t>(chunks.size());
  const int threads = total <= chunk_values ? 1 : most_threads;
  const std::int64_t together =
      std::max<std::int64_t>(1, count * chunk_values / (2 * std::max<std::int64_t>(1, total)));
#pragma omp parallel for schedule(dynamic, together) num_threads(threads) if (threads > 1)
  for (std::int64_t i = 0; i < count; ++i) work(chunks[static_cast<std::size_t>(i)]);
}

}  // namespace muon
