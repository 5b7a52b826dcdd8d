#include "train/data/text_data.hpp"

#include "cli/print.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace cli {
namespace {

// 16 KiB at the default context: enough to compare runs, which are all judged by the same bytes,
// at the time of about three steps.
constexpr std::int64_t most_held_out_windows = 128, held_out_batch_size = 16;

}  // namespace

double bits_per_byte(double nats) { return nats / std::log(2.0); }

TextData::TextData(Text text, const std::string& name, const WindowOptions& options,
                   torch::Device device)
    : text_(std::move(text)), o_(options), device_(device) {
  const std::int64_t held_out = text_.size() / 10;
  if (held_out <= o_.context) {
    throw std::runtime_error(
        message("--data {} has {} bytes, and the last tenth of them, which is held out, must have "
                "a window of --context {} and the byte after it; give at least {} bytes or a "
                "smaller --context",
                name, text_.size(), o_.context, 10 * (o_.context + 1)));
  }
  training_bytes_ = text_.size() - held_out;
  held_out_windows_ = std::min(most_held_out_windows, (held_out - 1) / o_.context);
  batch_size_ = std::min(o_.batch_size, training_bytes_ / o_.context);
}

Batch TextData::training_batch(std::int64_t epoch, std::int64_t number) {
  const std::int64_t step = (epoch - 1) * o_.eval_every + number;
  const torch::Tensor starts = torch::randint(training_bytes_ - o_.context, {batch_size_},
                                              generator_for(o_.seed, step), torch::kInt64);
  const auto* const first = starts.data_ptr<std::int64_t>();
  return windows({first, first + batch_size_});
}

std::int64_t TextData::held_out_batches() const {
  return 1 + (held_out_windows_ - 1) / held_out_batch_size;
}

Batch TextData::held_out_batch(std::int64_t number) const {
  const std::int64_t begin = number * held_out_batch_size,
                     end = std::min(begin + held_out_batch_size, held_out_windows_),
                     last_start = text_.size() - training_bytes_ - o_.context - 1;
  std::vector<std::int64_t> starts;
  for (std::int64_t i = begin; i < end; ++i)
    starts.push_back(training_bytes_ +
                     i * last_start / std::max<std::int64_t>(held_out_windows_ - 1, 1));
  return windows(starts);
}

std::string TextData::text_of(const Evaluation& validation) const {
  return message("validation loss {:.4f}, {:.4f} bits per byte", validation.loss,
                 bits_per_byte(validation.loss));
}

Batch TextData::windows(const std::vector<std::int64_t>& starts) const {
  const std::int64_t length = o_.context + 1;
  const torch::Tensor bytes =
      torch::empty({static_cast<std::int64_t>(starts.size()), length}, torch::kUInt8);
  auto* to = bytes.data_ptr<std::uint8_t>();
  for (const std::int64_t start : starts) {
    text_.copy(start, length, to);
    to += length;
  }
  const torch::Tensor classes = bytes.to(device_, torch::kInt64);
  return {classes.slice(1, 0, o_.context), classes.slice(1, 1)};
}

}  // namespace cli
