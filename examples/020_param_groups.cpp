// Parameter groups made by hand, as in the README of Keller Jordan's Muon: hidden weights to Muon;
// embedding, gains, biases and head to AdamW. The type of a group's options says which of the two
// it is for.
#include <muon/muon.hpp>

#include <torch/torch.h>

#include <iostream>
#include <memory>
#include <vector>

struct Net : torch::nn::Module {
  Net()
      : embed(register_module("embed", torch::nn::Embedding(100, 32))),
        body(register_module(
            "body", torch::nn::Sequential(torch::nn::Linear(32, 64),
                                          torch::nn::LayerNorm(torch::nn::LayerNormOptions({64})),
                                          torch::nn::ReLU(), torch::nn::Linear(64, 32)))),
        head(register_module("head", torch::nn::Linear(32, 100))) {}

  torch::Tensor forward(const torch::Tensor& tokens) { return head(body->forward(embed(tokens))); }

  torch::nn::Embedding embed;
  torch::nn::Sequential body;
  torch::nn::Linear head;
};

int main() {
  torch::manual_seed(0);
  Net model;

  std::vector<torch::Tensor> hidden_weights, gains_biases, nonhidden;
  for (const torch::Tensor& parameter : model.body->parameters()) {
    (parameter.dim() >= 2 ? hidden_weights : gains_biases).push_back(parameter);
  }
  for (const torch::Tensor& parameter : model.head->parameters()) nonhidden.push_back(parameter);
  for (const torch::Tensor& parameter : model.embed->parameters()) nonhidden.push_back(parameter);
  nonhidden.insert(nonhidden.end(), gains_biases.begin(), gains_biases.end());

  muon::MuonWithAuxAdam optimizer({
      {hidden_weights,
       std::make_unique<muon::MuonOptions>(muon::keller_jordan_muon(0.02).weight_decay(0.01))},
      {nonhidden, std::make_unique<torch::optim::AdamWOptions>(
                      muon::keller_jordan_adam(3e-3).weight_decay(0.01))},
  });
  for (const auto& group : optimizer.param_groups()) {
    std::cout << group.params().size() << " parameters, lr " << group.options().get_lr() << "\n";
  }

  // A scheduler of LibTorch's works on both groups.
  torch::optim::StepLR scheduler(optimizer, /*step_size=*/40, /*gamma=*/0.1);
  const torch::Tensor tokens = torch::randint(100, {256});
  double first = 0, last = 0;
  for (int step = 0; step < 80; ++step) {
    optimizer.zero_grad();
    const torch::Tensor loss = torch::nn::functional::cross_entropy(model.forward(tokens), tokens);
    loss.backward();
    optimizer.step();
    scheduler.step();
    (step == 0 ? first : last) = loss.item<double>();
  }
  for (const auto& group : optimizer.param_groups())
    std::cout << "lr after 80 steps " << group.options().get_lr() << "\n";
  std::cout << "loss below a tenth of the first: " << (last < first / 10 ? "yes" : "no") << "\n";
}
