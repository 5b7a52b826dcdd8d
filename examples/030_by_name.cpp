// By name: one group for every name with "weight" in it, one for "bias", one for the rest. Rules
// are tried in order, the first match wins; a rule that matches nothing, and a parameter that no
// rule matches, are errors.
#include <muon/muon.hpp>

#include <torch/torch.h>

#include <iostream>
#include <stdexcept>
#include <vector>

struct Net : torch::nn::Module {
  Net() {
    fc1 = register_module("fc1", torch::nn::Linear(784, 256));
    fc2 = register_module("fc2", torch::nn::Linear(256, 10));
    temperature = register_parameter("temperature", torch::ones({1}));
  }
  torch::nn::Linear fc1{nullptr}, fc2{nullptr};
  torch::Tensor temperature;
};

int main() {
  Net model;
  const std::vector<muon::Rule> rules{
      muon::by_name("*weight*").use(muon::keller_jordan_muon(0.02)),
      muon::by_name("*bias*").use(torch::optim::AdamWOptions(3e-4).weight_decay(0)),
      muon::otherwise().use(torch::optim::AdamWOptions(1e-4).weight_decay(0)),
  };
  const muon::Plan plan = muon::make_plan(model, rules);
  std::cout << plan;
  muon::MuonWithAuxAdam optimizer(plan);
  std::cout << optimizer.param_groups().size() << " groups\n";

  try {
    (void)muon::make_plan(model, {muon::by_name("fc1.wieght").use(muon::MuonOptions(0.02)),
                                  muon::otherwise().freeze()});
  } catch (const std::invalid_argument& error) {
    std::cout << error.what() << "\n";
  }
}
