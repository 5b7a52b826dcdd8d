// Work memory that is reused from step to step.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <vector>

namespace muon::kernels {

/// One block of memory for each thread, which grows on demand. Pages that are never written cost
/// nothing.
class Workspace {
 public:
  /// Provides at least `bytes` for each of `threads`; the contents are lost. Throws std::bad_alloc.
  void reserve(std::size_t threads, std::size_t bytes) {
    if (blocks_.size() < threads) blocks_.resize(threads);
    for (std::size_t i = 0; i < threads; ++i) {
      if (blocks_[i].size >= bytes) continue;
      blocks_[i].memory.reset();
      blocks_[i].size = 0;
      blocks_[i].memory.reset(static_cast<std::byte*>(::operator new(bytes, alignment)));
      blocks_[i].size = bytes;
    }
  }

  std::byte* block(std::size_t thread) const { return blocks_[thread].memory.get(); }

 private:
  static constexpr std::align_val_t alignment{64};
  struct Free {
    void operator()(std::byte* memory) const { ::operator delete(memory, alignment); }
  };
  struct Block {
    std::unique_ptr<std::byte, Free> memory;
    std::size_t size = 0;
  };
  std::vector<Block> blocks_;
};

}  // namespace muon::kernels
