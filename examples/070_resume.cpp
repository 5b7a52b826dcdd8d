// Stop a training, and resume it in another process as if it had never stopped.
#include <muon/muon.hpp>

#include <torch/torch.h>

#include <filesystem>
#include <iostream>

struct Training {
  Training()
      : model(torch::nn::Linear(8, 16), torch::nn::ReLU(), torch::nn::Linear(16, 2)),
        optimizer(*model) {}

  /// What a checkpoint holds.
  muon::TrainingState parts() {
    return {.model = *model, .optimizer = &optimizer, .schedule = &schedule, .step = step};
  }

  void train_to(std::int64_t last) {
    for (; step < last; ++step) {
      optimizer.zero_grad();
      const torch::Tensor x = torch::randn({32, 8});
      torch::nn::functional::cross_entropy(model->forward(x), (x.sum(1) > 0).to(torch::kInt64))
          .backward();
      optimizer.step();
      schedule.step();
    }
  }

  torch::nn::Sequential model;
  muon::MuonWithAuxAdam optimizer;
  muon::LambdaLR schedule{optimizer,
                          [](std::int64_t s) { return muon::schedule::cosine(s, 100, 10); }};
  std::int64_t step = 0;
};

int main() {
  torch::manual_seed(0);
  const auto folder = std::filesystem::temp_directory_path() / "muon_example_070";
  std::filesystem::remove_all(folder);

  Training first;
  first.train_to(50);
  const auto file = muon::save_checkpoint(folder, first.parts());
  std::cout << "wrote " << file.filename().string() << "\n";
  first.train_to(100);

  Training second;  // with other weights, until the checkpoint is loaded
  second.step = muon::load_checkpoint(folder, second.parts()).step;
  std::cout << "resuming after step " << second.step << "\n";
  second.train_to(100);

  bool same = true;
  for (std::size_t i = 0; i < first.model->parameters().size(); ++i) {
    same = same && torch::equal(first.model->parameters()[i], second.model->parameters()[i]);
  }
  std::cout << "the same to the last bit: " << (same ? "yes" : "no") << "\n";

  // A checkpoint of another model is refused, with everything that does not fit, and changes
  // nothing.
  torch::nn::Sequential other(torch::nn::Linear(8, 99));
  try {
    muon::load_checkpoint(file, {.model = *other});
  } catch (const std::runtime_error& error) {
    const std::string text = error.what();
    std::cout << text.substr(text.find("does not fit")) << "\n";
  }
  std::filesystem::remove_all(folder);
}
