// The options of muon train.
#pragma once

#include "cli/choices.hpp"
#include "train/models/gpt.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace cli {

/// Defaults are those of the networks for images; fit_to_model has those of the language model.
struct TrainOptions {
  std::string model = "small_net";
  std::string data = "mnist";

  OptimizerKind optimizer = OptimizerKind::muon;
  // unset: the defaults of the library (make_optimizer.hpp)
  std::optional<double> lr, adamw_lr, weight_decay, momentum;
  std::int64_t momentum_warmup = 0;
  muon::AdjustLr adjust_lr = muon::AdjustLr::original;
  MethodChoice method;
  std::vector<std::string> assign;
  double clip = 0;  // 0: not

  ScheduleKind schedule = ScheduleKind::cosine;
  std::int64_t warmup = 0;
  std::int64_t epochs = 5;
  std::optional<std::int64_t> steps;
  std::int64_t batch_size = 128;
  std::int64_t seed = 0;

  GptShape gpt;
  std::int64_t eval_every = 50;
  std::optional<std::string> sample;
  double temperature = 0.8;

  c10::ScalarType dtype = c10::ScalarType::Float;
  std::string device = "cpu";
  int threads = 0;
  bool flush_denormals = false;  // set if the processor supports it

  bool plan_only = false;
  std::optional<std::int64_t> gradients;  // every so many steps; 0: the first of each epoch
  std::string run_dir;
  std::string checkpoint;       // folder; empty: checkpoints in the run's folder
  std::int64_t save_every = 0;  // steps; 0: only when stopped
  int keep = 3;
  std::string resume;   // a checkpoint, a folder, or "latest"; empty: from the start
  bool extend = false;  // to another length, even if the learning rate then jumps
  std::vector<TrackFormat> track;
  std::optional<muon::track::Log> watch;
  std::int64_t log_every = 10;
  std::string project, name;
  std::string program = "muon";  // and its arguments, as given, to print how to resume
  std::vector<std::string> arguments;
  std::string summary;
};

/// Declares the options on `command`, with help and checks; parsing fills `options`.
void add_train_options(CLI::App& command, TrainOptions& options);

}  // namespace cli
