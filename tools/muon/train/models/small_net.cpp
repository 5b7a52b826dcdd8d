// 784-256-10 for 28 x 28 images: Linear, ReLU, Linear.
#include "train/models/model.hpp"

#include <cstdint>
#include <memory>

namespace cli {
namespace {

class SmallNet : public Model {
 public:
  SmallNet(std::int64_t inputs, std::int64_t classes)
      : fc1_(register_module("fc1", torch::nn::Linear(inputs, 256))),
        fc2_(register_module("fc2", torch::nn::Linear(256, classes))) {}

  torch::Tensor forward(const torch::Tensor& images) override {
    return fc2_(torch::relu(fc1_(images.flatten(1))));
  }

 private:
  torch::nn::Linear fc1_, fc2_;
};

}  // namespace

std::shared_ptr<Model> make_small_net(const ImageShape& image, std::int64_t classes) {
  return std::make_shared<SmallNet>(image.channels * image.height * image.width, classes);
}

}  // namespace cli
