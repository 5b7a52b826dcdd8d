// IDX files, the format of MNIST: a magic number (0, 0, type, dimensions), the sizes as big-endian
// 32-bit numbers, the values. Source: http://yann.lecun.com/exdb/mnist/
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <filesystem>

namespace cli {

/// Reads a file of unsigned bytes, gzipped or not, as a uint8 tensor of its sizes.
/// Errors   std::runtime_error naming the file: missing, another magic, truncated, longer than its
///          sizes say, damaged.
torch::Tensor read_idx(const std::filesystem::path& file, std::int64_t dimensions);

}  // namespace cli
