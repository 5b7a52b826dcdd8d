// Two optimizers side by side: Muon for the hidden layer's weight, LibTorch's own AdamW for the
// rest.
#include <muon/muon.hpp>

#include <torch/torch.h>

#include <iostream>
#include <stdexcept>

struct Net : torch::nn::Module {
  Net() {
    fc1 = register_module("fc1", torch::nn::Linear(20, 64));
    fc2 = register_module("fc2", torch::nn::Linear(64, 4));
  }
  torch::Tensor forward(const torch::Tensor& x) { return fc2(torch::relu(fc1(x))); }
  torch::nn::Linear fc1{nullptr}, fc2{nullptr};
};

int main() {
  torch::manual_seed(0);
  Net model;
  const torch::Tensor x = torch::randn({128, 20});
  const torch::Tensor y = torch::randint(4, {128});

  // A bias is a vector, and Muon is for matrices:
  try {
    muon::Muon refused(model.fc1->named_parameters());
  } catch (const std::invalid_argument& error) {
    std::cout << error.what() << "\n";
  }

  muon::Muon muon({model.fc1->weight}, muon::MuonOptions(0.02).weight_decay(0.01));
  torch::optim::AdamW adamw({model.fc1->bias, model.fc2->weight, model.fc2->bias},
                            torch::optim::AdamWOptions(1e-2));

  double first = 0, last = 0;
  for (int step = 0; step < 100; ++step) {
    muon.zero_grad();
    adamw.zero_grad();
    const torch::Tensor loss = torch::nn::functional::cross_entropy(model.forward(x), y);
    loss.backward();
    muon.step();
    adamw.step();
    (step == 0 ? first : last) = loss.item<double>();
  }
  std::cout << "loss after 100 steps below a tenth of the first: "
            << (last < first / 10 ? "yes" : "no") << "\n";
}
