// A text as a language model learns it: windows of bytes, and in each the byte after every byte.
#pragma once

#include "train/data/text.hpp"
#include "train/data/training_data.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace cli {

/// Information is counted in bits, cross entropy in nats.
double bits_per_byte(double nats);

struct WindowOptions {
  std::int64_t context = 128;    ///< bytes of input in a window
  std::int64_t batch_size = 16;  ///< windows
  std::int64_t seed = 0;
  std::int64_t eval_every = 50;  ///< batches
};

/// The last tenth of the text is held out, and judged by windows that are spread evenly over it and
/// the same every time. A training batch is windows from anywhere in the rest.
class TextData : public TrainingData {
 public:
  /// Errors   std::runtime_error: a text whose last tenth is shorter than a window. `name` is its
  ///          --data.
  TextData(Text text, const std::string& name, const WindowOptions& options, torch::Device device);

  std::int64_t batch_size() const override { return batch_size_; }
  BatchContent batch_content() const override { return {batch_size_ * o_.context, "bytes"}; }
  std::int64_t batches_an_epoch() const override { return o_.eval_every; }
  bool has_epochs() const override { return false; }
  Batch training_batch(std::int64_t epoch, std::int64_t number) override;
  std::int64_t held_out_batches() const override;
  Batch held_out_batch(std::int64_t number) const override;
  std::string text_of(const Evaluation& evaluation) const override;

 private:
  Batch windows(const std::vector<std::int64_t>& starts) const;

  Text text_;
  WindowOptions o_;
  torch::Device device_;
  std::int64_t training_bytes_, held_out_windows_, batch_size_;
};

}  // namespace cli
