#include "train/make_run.hpp"

#include "cli/output_file.hpp"
#include "cli/print.hpp"
#include "cli/usage_error.hpp"
#include "train/data/image_data.hpp"
#include "train/data/text_data.hpp"
#include "train/device.hpp"
#include "train/make_optimizer.hpp"
#include "train/models/gpt.hpp"
#include "train/tracking.hpp"

#include <ATen/Context.h>
#include <torch/torch.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <thread>
#include <utility>

namespace cli {
namespace {

namespace fs = std::filesystem;

/// OMP_NUM_THREADS counts, as in any program with OpenMP: whoever sets it shares the machine, where
/// threads without a processor of their own make a step ten times slower. LibTorch's own choice is
/// one thread for two processors in some versions.
int default_threads() {
  if (std::getenv("OMP_NUM_THREADS") != nullptr) return torch::get_num_threads();
  return std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, 8);
}

/// Before the threads are there, since they take over how this one treats denormal numbers. At a
/// high learning rate many values pass through that range, in which processors are slow: runs are
/// up to 1.5 times faster without.
void set_processors(TrainOptions& o) {
  o.flush_denormals = at::globalContext().setFlushDenormal(true);
  torch::set_num_threads(o.threads > 0 ? o.threads : default_threads());
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

/// Data and model of a network for images. A plan needs no data if the classes are known.
void make_image_run(Run& run) {
  const TrainOptions& o = run.options;
  const bool known_classes = o.data == "mnist" || o.data == "random";
  Dataset data;
  if (!o.plan_only || !known_classes) data = load_dataset(o.data, o.seed);
  torch::manual_seed(static_cast<std::uint64_t>(o.seed));
  run.model = make_image_model(o.model, data.train.images.defined() ? data.image() : ImageShape(),
                               data.classes);
  if (!o.plan_only)
    run.data =
        std::make_unique<ImageData>(std::move(data), o.batch_size, o.seed, run.tensor_options);
}

/// The same of a language model, whose classes are always the bytes.
void make_text_run(Run& run) {
  const TrainOptions& o = run.options;
  if (!o.plan_only) {
    const WindowOptions windows{o.gpt.context, o.batch_size, o.seed, o.eval_every};
    run.data = std::make_unique<TextData>(load_text(o.data, o.seed), o.data, windows,
                                          run.tensor_options.device());
  }
  torch::manual_seed(static_cast<std::uint64_t>(o.seed));
  run.model = make_gpt(o.gpt);
}

}  // namespace

Run make_run(const TrainOptions& options) {
  Run run;
  run.options = options;
  const torch::Device device = parse_device(options.device);
  run.tensor_options = torch::TensorOptions().dtype(options.dtype).device(device);
  set_processors(run.options);
  check_options(options);
  if (is_language_model(options.model)) {
    make_text_run(run);
  } else {
    make_image_run(run);
  }
  run.model->to(device, options.dtype);
  run.plan = plan_for(options, *run.model);
  if (run.plan) freeze(*run.plan);
  return run;
}

void make_trainable(Run& run) {
  TrainOptions& o = run.options;
  o.batch_size = run.data->batch_size();
  run.steps_an_epoch = run.data->batches_an_epoch();
  if (!o.steps && o.epochs > (std::int64_t{1} << 40) / run.steps_an_epoch)
    throw UsageError(message("--epochs {} is more than anyone can wait for", o.epochs));
  run.steps = o.steps.value_or(o.epochs * run.steps_an_epoch);
  run.optimizer = make_optimizer(o, *run.model, run.plan);
  run.scheduler = std::make_unique<muon::LambdaLR>(*run.optimizer, make_schedule(o, run.steps));
}

}  // namespace cli
