// What a model learns from, batch by batch, and what was held out to judge it by.
#pragma once

#include <ATen/CPUGeneratorImpl.h>
#include <torch/torch.h>

#include <cstdint>
#include <string>

namespace cli {

struct Batch {
  torch::Tensor inputs;   ///< as the model takes them, on its device
  torch::Tensor targets;  ///< int64, a class for each row of the model's logits; on its device
};

/// Over all that was held out.
struct Evaluation {
  double loss = 0;      ///< mean cross entropy in nats
  double accuracy = 0;  ///< share of the targets that the model held for the likeliest class
};

/// What a batch holds, to tell how fast training is.
struct BatchContent {
  std::int64_t count;
  const char* unit;  ///< "images"
};

class TrainingData {
 public:
  virtual ~TrainingData() = default;

  /// Examples in a batch: what was asked for, or all that there are if those are fewer.
  virtual std::int64_t batch_size() const = 0;
  virtual BatchContent batch_content() const = 0;

  /// Batches from one evaluation to the next. For images that is one pass over all of them.
  virtual std::int64_t batches_an_epoch() const = 0;
  /// Whether an epoch is such a pass. A text is sampled, and has only steps.
  virtual bool has_epochs() const = 0;

  /// Epochs count from 1, their batches from 0. A function of these and the seed alone, so that a
  /// run can resume anywhere.
  virtual Batch training_batch(std::int64_t epoch, std::int64_t number) = 0;

  virtual std::int64_t held_out_batches() const = 0;
  virtual Batch held_out_batch(std::int64_t number) const = 0;

  /// "test loss 0.0512  test accuracy 98.43 %"
  virtual std::string text_of(const Evaluation& evaluation) const = 0;
};

/// A generator of random numbers that is a function of its arguments alone.
inline at::Generator generator_for(std::int64_t seed, std::int64_t number) {
  return at::make_generator<at::CPUGeneratorImpl>(static_cast<std::uint64_t>(seed) * 1000003 +
                                                  static_cast<std::uint64_t>(number));
}

}  // namespace cli
