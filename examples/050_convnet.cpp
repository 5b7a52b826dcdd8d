// Which matrices a parameter holds. A kernel [out, in, kh, kw] is one matrix out x (in*kh*kw); a
// grouped one is a matrix a group; a depthwise one holds no matrix and goes to AdamW. A fused
// query-key-value Linear is three matrices. A rule's view says otherwise.
#include <muon/muon.hpp>

#include <torch/torch.h>

#include <iostream>

struct Net : torch::nn::Module {
  Net() {
    namespace nn = torch::nn;
    stem = register_module("stem", nn::Conv2d(nn::Conv2dOptions(3, 16, 3).padding(1)));
    grouped = register_module(
        "grouped", nn::Conv2d(nn::Conv2dOptions(16, 32, 3).groups(2).stride(2).padding(1)));
    depthwise = register_module("depthwise",
                                nn::Conv2d(nn::Conv2dOptions(32, 32, 3).groups(32).padding(1)));
    qkv = register_module("qkv", nn::Linear(nn::LinearOptions(32, 96).bias(false)));
    head = register_module("head", nn::Linear(32, 10));
  }

  torch::Tensor forward(const torch::Tensor& images) {
    torch::Tensor x = torch::relu(depthwise(torch::relu(grouped(torch::relu(stem(images))))));
    x = x.flatten(2).transpose(1, 2);  // [n, places, 32]
    const auto parts = qkv(x).chunk(3, -1);
    const torch::Tensor weights =
        torch::softmax(parts[0].matmul(parts[1].transpose(1, 2)) / 5.66, -1);
    return head((x + weights.matmul(parts[2])).mean(1));
  }

  torch::nn::Conv2d stem{nullptr}, grouped{nullptr}, depthwise{nullptr};
  torch::nn::Linear qkv{nullptr}, head{nullptr};
};

int main() {
  torch::manual_seed(0);
  Net model;
  const torch::Tensor images = torch::randn({64, 3, 8, 8});
  const torch::Tensor labels = torch::randint(10, {64});

  // The built-in rules, with one of our own in front: the grouped kernel as one matrix.
  const muon::MuonOptions hidden = muon::keller_jordan_muon(0.02);
  const auto rules = muon::with_default_rules(
      {muon::by_name("grouped.weight").view(muon::MatrixView::flatten()).use(hidden)}, hidden,
      muon::keller_jordan_adam(3e-3));
  const muon::Plan plan = muon::make_plan(model, rules);
  std::cout << plan;

  muon::MuonWithAuxAdam optimizer(plan);
  double first = 0, last = 0;
  for (int step = 0; step < 150; ++step) {
    optimizer.zero_grad();
    const torch::Tensor loss = torch::nn::functional::cross_entropy(model.forward(images), labels);
    loss.backward();
    optimizer.step();
    (step == 0 ? first : last) = loss.item<double>();
  }
  std::cout << "loss after 150 steps below half of the first: " << (last < first / 2 ? "yes" : "no")
            << "\n";
}
