// A TorchScript module: names, types and ties come from the archive, and it trains like any other
// model. Here one is made in memory; with a file from Python it is torch::jit::load("model.pt").
#include <muon/muon.hpp>

#include <torch/script.h>
#include <torch/torch.h>

#include <iostream>
#include <sstream>

torch::jit::Module make_script() {
  torch::jit::Module model("Net");
  model.register_parameter("token_embedding", torch::randn({50, 16}).requires_grad_(),
                           /*is_buffer=*/false);
  model.register_parameter("mixing", (0.25 * torch::randn({16, 16})).requires_grad_(),
                           /*is_buffer=*/false);
  model.register_parameter("gain", torch::ones({16}).requires_grad_(), /*is_buffer=*/false);
  model.define(R"(
    def forward(self, tokens):
        x = self.token_embedding[tokens] * self.gain
        x = x + torch.relu(torch.matmul(x, self.mixing.t()))
        return torch.matmul(x, self.token_embedding.t())
  )");
  return model;
}

int main() {
  torch::manual_seed(0);
  std::stringstream archive;
  make_script().save(archive);
  torch::jit::Module model = torch::jit::load(archive);

  std::cout << muon::make_plan(model);
  muon::MuonWithAuxAdam optimizer(model);

  const torch::Tensor tokens = torch::randint(50, {64});
  const torch::Tensor next = torch::randint(50, {64});
  double first = 0, last = 0;
  for (int step = 0; step < 300; ++step) {
    optimizer.zero_grad();
    const torch::Tensor loss =
        torch::nn::functional::cross_entropy(model.forward({tokens}).toTensor(), next);
    loss.backward();
    optimizer.step();
    (step == 0 ? first : last) = loss.item<double>();
  }
  std::cout << "loss after 300 steps below half of the first: " << (last < first / 2 ? "yes" : "no")
            << "\n";
}
