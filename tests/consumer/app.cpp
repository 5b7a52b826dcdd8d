#include <muon/muon.hpp>

#include <torch/nn/modules/linear.h>

#include <iostream>

int main() {
  torch::nn::Linear model(8, 4);
  muon::Muon optimizer({model->weight});
  model->forward(torch::ones({2, 8})).sum().backward();
  optimizer.step();
  std::cout << muon::make_plan(*model) << "consumer works\n";
}
