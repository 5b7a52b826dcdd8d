// Images with labels, in batches.
#pragma once

#include "train/data/dataset.hpp"
#include "train/data/training_data.hpp"

#include <cstdint>
#include <string>

namespace cli {

class ImageData : public TrainingData {
 public:
  /// `seed` decides the order of the images in each epoch; `options` are those of the model.
  ImageData(Dataset data, std::int64_t batch_size, std::int64_t seed,
            const torch::TensorOptions& options);

  std::int64_t batch_size() const override { return batch_size_; }
  BatchContent batch_content() const override { return {batch_size_, "images"}; }
  std::int64_t batches_an_epoch() const override;
  bool has_epochs() const override { return true; }
  Batch training_batch(std::int64_t epoch, std::int64_t number) override;
  std::int64_t held_out_batches() const override;
  Batch held_out_batch(std::int64_t number) const override;
  std::string text_of(const Evaluation& evaluation) const override;

 private:
  Batch batch(const Split& split, const torch::Tensor& chosen) const;

  Dataset data_;
  std::int64_t batch_size_, seed_;
  torch::TensorOptions options_;
  torch::Tensor order_;  // of the epoch at work
  std::int64_t epoch_ = 0;
};

}  // namespace cli
