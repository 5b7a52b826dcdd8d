// Track a training run: for W&B and TensorBoard at once, and with a sink of your own.
#include <muon/muon.hpp>
#include <muon/track.hpp>

#include <torch/torch.h>

#include <filesystem>
#include <iostream>
#include <memory>

/// A sink in ten lines: prints the loss of every row.
struct Printer : muon::track::Sink {
  std::string name() const override { return "printer"; }
  void row(const muon::track::Row& row) override {
    for (const auto& [name, value] : row.values) {
      if (name == "train/loss")
        std::cout << "step " << row.step << ": a loss and " << row.values.size() - 1 << " more\n";
    }
  }
  void finish(int exit_code, const muon::track::Row&) override {
    std::cout << "finished with " << exit_code << "\n";
  }
};

int main() {
  torch::manual_seed(0);
  const auto folder = std::filesystem::temp_directory_path() / "muon_example_080";
  std::filesystem::remove_all(folder);

  torch::nn::Sequential model(torch::nn::Linear(8, 16), torch::nn::ReLU(),
                              torch::nn::Linear(16, 2));
  muon::MuonWithAuxAdam optimizer(*model);
  {
    auto run = muon::track::init({
        .project = "examples",
        .name = "080",
        .config = {{"lr", 0.02}, {"model", muon::track::Object{{"hidden", 16}}}},
        .dir = folder,
        .sinks = {muon::track::wandb_offline(), muon::track::tensorboard(),
                  std::make_shared<Printer>()},
    });
    auto watch = muon::track::watch(run, *model, {.log = muon::track::Log::all, .log_freq = 2});
    for (int step = 0; step < 4; ++step) {
      optimizer.zero_grad();
      const torch::Tensor x = torch::randn({32, 8});
      const auto loss =
          torch::nn::functional::cross_entropy(model->forward(x), (x.sum(1) > 0).to(torch::kInt64));
      loss.backward();
      optimizer.step();
      watch.step();
      run.log({{"train/loss", loss}});
    }
  }  // the run finishes here, with exit code 1 after an exception

  // wandb sync, wandb leet and tensorboard read these files, and so does this library.
  muon::track::History history(folder / "wandb");
  history.read();
  const auto& losses = history.series().at("train/loss");
  std::cout << losses.values.size() << " losses of run '" << history.name() << "', lr "
            << history.config().at("lr") << "\n";
  std::cout << history.others().at("gradients/0.weight")
            << " histograms of the first weight's gradient\n";
  std::filesystem::remove_all(folder);
}
