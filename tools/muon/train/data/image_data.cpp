#include "train/data/image_data.hpp"

#include "cli/print.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

namespace cli {
namespace {

constexpr std::int64_t test_batch = 1000;

std::int64_t batches_of(std::int64_t images, std::int64_t batch_size) {
  return 1 + (images - 1) / batch_size;
}

}  // namespace

ImageData::ImageData(Dataset data, std::int64_t batch_size, std::int64_t seed,
                     const torch::TensorOptions& options)
    : data_(std::move(data)),
      batch_size_(std::min(batch_size, data_.train.size())),
      seed_(seed),
      options_(options) {}

std::int64_t ImageData::batches_an_epoch() const {
  return batches_of(data_.train.size(), batch_size_);
}

Batch ImageData::training_batch(std::int64_t epoch, std::int64_t number) {
  if (epoch != epoch_) {
    order_ = torch::randperm(data_.train.size(), generator_for(seed_, epoch), torch::kInt64);
    epoch_ = epoch;
  }
  const std::int64_t first = number * batch_size_;
  return batch(data_.train, order_.slice(0, first, first + batch_size_));
}

std::int64_t ImageData::held_out_batches() const {
  return batches_of(data_.test.size(), test_batch);
}

Batch ImageData::held_out_batch(std::int64_t number) const {
  const std::int64_t first = number * test_batch;
  return batch(data_.test, torch::arange(first, std::min(first + test_batch, data_.test.size())));
}

std::string ImageData::text_of(const Evaluation& test) const {
  return message("test loss {:.4f}  test accuracy {:.2f} %", test.loss, 100 * test.accuracy);
}

Batch ImageData::batch(const Split& split, const torch::Tensor& chosen) const {
  return {data_.batch(split, chosen, options_),
          split.labels.index_select(0, chosen).to(options_.device())};
}

}  // namespace cli
