#include "train/make_run.hpp"

#include "cli/output_file.hpp"
#include "cli/print.hpp"
#include "cli/usage_error.hpp"
#include "train/device.hpp"
#include "train/make_optimizer.hpp"
#include "train/tracking.hpp"

#include <torch/torch.h>

#include <algorithm>
#include <filesystem>
#include <thread>

namespace cli {
namespace {

namespace fs = std::filesystem;

/// LibTorch's own choice is one thread for two processors in some versions.
void set_threads(int threads) {
  const int processors = static_cast<int>(std::thread::hardware_concurrency());
  torch::set_num_threads(threads > 0 ? threads : std::clamp(processors, 1, 8));
}

/// A summary inside the run's folder is checked with that.
void check_summary(const TrainOptions& o) {
  if (o.summary.empty()) return;
  const fs::path summary = o.summary, folder = o.run_dir;
  const bool inside =
      !folder.empty() && summary.parent_path().lexically_normal() == folder.lexically_normal();
  if (inside && summary.filename() == "model.pt")
    throw UsageError("--summary would overwrite the model in --run-dir; give another name");
  if (!inside) check_writable(summary);
}

/// Before anything is made or trained.
void check_options(const TrainOptions& o) {
  if (o.optimizer == OptimizerKind::sgd &&
      (!o.checkpoint.empty() || !o.resume.empty() || o.save_every > 0))
    throw UsageError(
        "--optimizer sgd has no checkpoints; leave --checkpoint, --save-every and --resume out");
  check_tracking(o);
  check_summary(o);
}

/// A frozen parameter needs no gradient either.
void freeze(const muon::Plan& plan) {
  for (const muon::Assignment& a : plan.assignments()) {
    if (a.algorithm == muon::Algorithm::frozen)
      torch::Tensor(a.parameter.tensor).requires_grad_(false);
  }
  if (plan.param_groups().empty())
    throw UsageError("--assign freezes every parameter; leave one to train");
}

}  // namespace

Run make_run(const TrainOptions& options) {
  Run run;
  run.options = options;
  const torch::Device device = parse_device(options.device);
  run.tensor_options = torch::TensorOptions().dtype(options.dtype).device(device);
  set_threads(options.threads);
  check_options(options);
  const bool known_classes = options.data == "mnist" || options.data == "random";
  if (!options.plan_only || !known_classes) run.data = load_dataset(options.data, options.seed);
  torch::manual_seed(static_cast<std::uint64_t>(options.seed));
  run.model =
      make_model(options.model, run.data.train.images.defined() ? run.data.image() : ImageShape(),
                 run.data.classes);
  run.model->to(device, options.dtype);
  run.plan = plan_for(options, *run.model);
  if (run.plan) freeze(*run.plan);
  return run;
}

void make_trainable(Run& run) {
  TrainOptions& o = run.options;
  const std::int64_t images = run.data.train.size();
  o.batch_size = std::min(o.batch_size, images);
  run.steps_an_epoch = 1 + (images - 1) / o.batch_size;
  if (!o.steps && o.epochs > (std::int64_t{1} << 40) / run.steps_an_epoch)
    throw UsageError(message("--epochs {} is more than anyone can wait for", o.epochs));
  run.steps = o.steps.value_or(o.epochs * run.steps_an_epoch);
  run.optimizer = make_optimizer(o, *run.model, run.plan);
  run.scheduler = std::make_unique<muon::LambdaLR>(*run.optimizer, make_schedule(o, run.steps));
}

}  // namespace cli
