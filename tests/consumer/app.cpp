// A program of another project, in the C++ that its compiler has by default: C++17 where LibTorch's
// headers allow it.
#include <muon/muon.hpp>
#include <muon/track.hpp>

#include <torch/nn/modules/linear.h>
#include <torch/optim/adamw.h>

#include <filesystem>
#include <iostream>

#if MUON_VERSION < MUON_MAKE_VERSION(0, 1, 0)
#error "the version header is not the library's"
#endif

int main() {
  torch::nn::Linear model(8, 4);
  muon::MatrixShape shape;
  shape.rows = 4;
  if (shape == muon::MatrixShape()) return 1;

  muon::MuonWithAuxAdam optimizer(
      muon::make_plan(*model, muon::with_default_rules({muon::by_name("weight").use(
                                  muon::MuonOptions(0.02).method(muon::Method::dwh2))})));
  muon::LambdaLR schedule(optimizer,
                          [](std::int64_t step) { return muon::schedule::cosine(step, 10); });
  model->forward(torch::ones({2, 8})).sum().backward();
  optimizer.step();
  schedule.step();
  muon::LearningRates rates;
  rates.muon = 0.01;
  muon::set_lr(optimizer, rates);
  for (auto& group : optimizer.param_groups()) {  // types of the library, seen from outside
    const bool known = dynamic_cast<muon::MuonOptions*>(&group.options()) != nullptr ||
                       dynamic_cast<torch::optim::AdamWOptions*>(&group.options()) != nullptr;
    if (!known) return 1;
  }

  const auto folder = std::filesystem::temp_directory_path() / "muon-consumer";
  muon::TrainingState state;
  state.model = *model;
  state.optimizer = &optimizer;
  state.schedule = &schedule;
  const auto file = muon::save_checkpoint(folder, state);
  muon::load_checkpoint(folder, state);
  if (muon::describe_file(file).parameters.size() != 2) return 1;

  muon::track::RunOptions options;
  options.dir = folder;
  options.sinks = {muon::track::jsonl()};
  muon::track::Run run = muon::track::init(options);
  run.log({{"loss", 0.5}, {"weights", muon::track::histogram(model->weight)}});
  run.finish();
  std::filesystem::remove_all(folder);
  std::cout << muon::make_plan(*model) << "consumer works\n";
}
