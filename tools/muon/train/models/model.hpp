// The networks muon train knows. A new one is a file beside this and a line in model.cpp.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace cli {

struct ImageShape {
  std::int64_t channels = 1;
  std::int64_t height = 28;
  std::int64_t width = 28;
};

class Model : public torch::nn::Module {
 public:
  /// images [n, channels, height, width] -> logits [n, classes], or
  /// bytes [n, time] -> logits [n, time, classes]
  virtual torch::Tensor forward(const torch::Tensor& inputs) = 0;
};

std::vector<std::string> model_names();
/// Whether it learns text; the others learn images.
bool is_language_model(const std::string& name);

/// Errors   std::invalid_argument for an unknown name, or images too small for the network.
std::shared_ptr<Model> make_image_model(const std::string& name, const ImageShape& image,
                                        std::int64_t classes);

std::shared_ptr<Model> make_small_net(const ImageShape& image, std::int64_t classes);
std::shared_ptr<Model> make_convnet(const ImageShape& image, std::int64_t classes);

}  // namespace cli
