// Two convolutions with pooling, then two Linear layers: the smallest network in which Muon trains
// convolutions.
#include "train/models/model.hpp"

#include <cstdint>
#include <memory>
#include <stdexcept>

namespace cli {
namespace {

class ConvNet : public Model {
 public:
  ConvNet(const ImageShape& image, std::int64_t classes)
      : conv1_(register_module(
            "conv1",
            torch::nn::Conv2d(torch::nn::Conv2dOptions(image.channels, 16, 3).padding(1)))),
        conv2_(register_module("conv2",
                               torch::nn::Conv2d(torch::nn::Conv2dOptions(16, 32, 3).padding(1)))),
        fc1_(register_module("fc1",
                             torch::nn::Linear(32 * (image.height / 4) * (image.width / 4), 128))),
        fc2_(register_module("fc2", torch::nn::Linear(128, classes))) {}

  torch::Tensor forward(const torch::Tensor& images) override {
    torch::Tensor x = torch::max_pool2d(torch::relu(conv1_(images)), 2);
    x = torch::max_pool2d(torch::relu(conv2_(x)), 2);
    return fc2_(torch::relu(fc1_(x.flatten(1))));
  }

 private:
  torch::nn::Conv2d conv1_, conv2_;
  torch::nn::Linear fc1_, fc2_;
};

}  // namespace

std::shared_ptr<Model> make_convnet(const ImageShape& image, std::int64_t classes) {
  if (image.height < 4 || image.width < 4)
    throw std::invalid_argument("convnet needs images of at least 4 x 4");
  return std::make_shared<ConvNet>(image, classes);
}

}  // namespace cli
