// bench_peer MODEL METHOD STEPS THREADS: prints the milliseconds of each step of muon::Muon on
// MODEL's shapes, for bench/peers/run, which takes turns with Python.
#include <muon/muon.hpp>

#include <torch/torch.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

std::vector<torch::Tensor> parameters_of(const std::string& model) {
  std::vector<std::vector<std::int64_t>> shapes;
  if (model == "small_net") shapes = {{256, 784}, {10, 256}};
  if (model == "1000x32x32") shapes.assign(1000, {32, 32});
  for (int layer = 0; layer < (model == "gpt2" ? 12 : model == "gpt2_layer" ? 1 : 0); ++layer) {
    for (const auto& shape :
         {std::vector<std::int64_t>{2304, 768}, {768, 768}, {3072, 768}, {768, 3072}})
      shapes.push_back(shape);
  }
  std::vector<torch::Tensor> parameters;
  for (const auto& shape : shapes) {
    parameters.push_back(torch::randn(shape).mul_(0.02).requires_grad_());
    parameters.back().mutable_grad() = torch::randn(shape);
  }
  return parameters;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 5) {
    std::fprintf(stderr,
                 "usage: bench_peer small_net|1000x32x32|gpt2|gpt2_layer "
                 "newton_schulz|dwh2|zolotarev2 STEPS THREADS\n");
    return 2;
  }
  const std::string method = arguments[2];
  torch::set_num_threads(std::atoi(arguments[4]));
  muon::Muon optimizer(
      parameters_of(arguments[1]),
      muon::MuonOptions(1e-3).method(method == "dwh2"         ? muon::Method::dwh2
                                     : method == "zolotarev2" ? muon::Method::zolotarev2
                                                              : muon::Method::newton_schulz));
  optimizer.step();
  for (int step = 0; step < std::atoi(arguments[3]); ++step) {
    const auto begin = std::chrono::steady_clock::now();
    optimizer.step();
    std::printf("%.4f\n",
                std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
                    .count());
  }
}
