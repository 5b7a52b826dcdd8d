// One line: the plan is made for you.
//
// Where you had         torch::optim::AdamW optimizer(model->parameters(), 1e-3);
// you write             muon::MuonWithAuxAdam optimizer(*model);
#include <muon/muon.hpp>

#include <torch/torch.h>

#include <iostream>

int main() {
  torch::manual_seed(0);
  torch::nn::Sequential model(torch::nn::Linear(20, 64), torch::nn::ReLU(),
                              torch::nn::Linear(64, 32), torch::nn::ReLU(),
                              torch::nn::Linear(32, 4));
  const torch::Tensor x = torch::randn({128, 20});
  const torch::Tensor y = torch::randint(4, {128});

  std::cout << muon::make_plan(*model);     // what the next line decides
  muon::MuonWithAuxAdam optimizer(*model);  // hidden matrices -> Muon, head and biases -> AdamW

  double first = 0, last = 0;
  for (int step = 0; step < 100; ++step) {
    optimizer.zero_grad();
    const torch::Tensor loss = torch::nn::functional::cross_entropy(model->forward(x), y);
    loss.backward();
    optimizer.step();
    (step == 0 ? first : last) = loss.item<double>();
  }
  std::cout << "loss after 100 steps below a tenth of the first: "
            << (last < first / 10 ? "yes" : "no") << "\n";
}
