#include "train/sample.hpp"

#include "cli/print.hpp"
#include "train/data/training_data.hpp"

#include <torch/torch.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace cli {
namespace {

constexpr std::size_t sample_length = 400;  // bytes

/// The last bytes of a text, as many as the model sees: [1, time].
torch::Tensor window_before_end(const std::string& text, std::int64_t context) {
  const std::size_t time = std::min(text.size(), static_cast<std::size_t>(context));
  const torch::Tensor bytes = torch::empty({1, static_cast<std::int64_t>(time)}, torch::kUInt8);
  std::copy_n(text.end() - static_cast<std::ptrdiff_t>(time), time, bytes.data_ptr<std::uint8_t>());
  return bytes.to(torch::kInt64);
}

/// Draws a byte from softmax(logits / temperature); the likeliest at a temperature of 0.
char draw(const torch::Tensor& logits, double temperature, const at::Generator& generator) {
  const torch::Tensor byte = temperature > 0
                                 ? torch::multinomial((logits / temperature).softmax(-1), 1,
                                                      /*replacement=*/false, generator)
                                 : logits.argmax(-1);
  return static_cast<char>(byte.item<std::int64_t>());
}

}  // namespace

void print_sample(const Run& run, const std::string& beginning, const StopSignal& stop) {
  const torch::NoGradGuard no_grad;
  const TrainOptions& o = run.options;
  const at::Generator generator = generator_for(o.seed, 0);
  std::string text = beginning.empty() ? "\n" : beginning;  // the model needs something to start from
  for (std::size_t i = 0; i < sample_length && stop.received() == 0; ++i) {
    const torch::Tensor bytes = window_before_end(text, o.gpt.context);
    const torch::Tensor logits = run.model->forward(bytes.to(run.tensor_options.device()));
    text += draw(logits[0][-1].to(torch::kCPU, torch::kFloat64), o.temperature, generator);
  }
  print("\nsample at temperature {}\n{}\n", o.temperature, Lines{text});
}

}  // namespace cli
