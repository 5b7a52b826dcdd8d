// Images with labels, for training and for testing.
#pragma once

#include "train/models/model.hpp"

#include <torch/torch.h>

#include <cstdint>
#include <string>

namespace cli {

struct Split {
  torch::Tensor images;  ///< uint8 [n, height, width]
  torch::Tensor labels;  ///< int64 [n], 0 <= label < classes
  std::int64_t size() const { return labels.size(0); }
};

struct Dataset {
  Split train, test;
  std::int64_t classes = 10;
  double mean = 0;  ///< of the training images' grey values, scaled to 0 .. 1
  double deviation = 1;

  ImageShape image() const { return {1, train.images.size(1), train.images.size(2)}; }

  /// The chosen images as the network takes them: [n, 1, height, width], mean 0 and deviation 1
  /// over the training set.
  torch::Tensor batch(const Split& split, const torch::Tensor& indices,
                      const torch::TensorOptions& options) const;
};

/// "mnist", "random" (1,024 images of noise with random labels, determined by `seed`), or a folder
/// with MNIST's four files.
/// Errors   std::runtime_error naming the file: missing, damaged, or images and labels that do not
///          belong together.
Dataset load_dataset(const std::string& name, std::int64_t seed);

}  // namespace cli
