// The options of muon train.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace cli {

struct TrainOptions {
  std::string model = "small_net";
  std::string data = "mnist";

  std::string optimizer = "muon";
  std::optional<double> lr;  // what it is when unset depends on the optimizer
  double adamw_lr = 3e-3;
  double weight_decay = 0.01;
  double momentum = 0.95;
  std::int64_t momentum_warmup = 0;
  std::string adjust_lr = "original";
  std::string method = "automatic";
  std::vector<std::string> assign;

  std::string schedule = "cosine";
  std::int64_t warmup = 0;
  std::int64_t epochs = 5;
  std::optional<std::int64_t> steps;
  std::int64_t batch_size = 128;
  std::int64_t seed = 0;

  std::string dtype = "float32";
  std::string device = "cpu";
  int threads = 0;

  bool plan_only = false;
  std::optional<std::int64_t> gradients;  // every so many steps; 0: the first of each epoch
  std::string run_dir;
  std::string checkpoint;       // folder; empty: checkpoints in the run's folder
  std::int64_t save_every = 0;  // steps; 0: only when stopped
  int keep = 3;
  std::string resume;              // a checkpoint, a folder, or "latest"; empty: from the start
  std::vector<std::string> track;  // wandb, tensorboard, jsonl
  std::string watch;               // gradients, parameters, all; empty: nothing
  std::int64_t log_every = 10;
  std::string project, name;
  std::string program = "muon";  // and its arguments, as given, to say how to go on
  std::vector<std::string> arguments;
  std::string summary;

  double learning_rate() const;
};

/// Declares the options on `command`, with help and checks; parsing fills `options`.
void add_train_options(CLI::App& command, TrainOptions& options);

}  // namespace cli
