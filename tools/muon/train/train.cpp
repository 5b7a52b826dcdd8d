#include "train/train.hpp"

#include "cli/output_file.hpp"
#include "cli/print.hpp"
#include "cli/stop_signal.hpp"
#include "train/make_run.hpp"
#include "train/position.hpp"
#include "train/resume.hpp"
#include "train/run_folder.hpp"
#include "train/sample.hpp"
#include "train/summary.hpp"
#include "train/tracking.hpp"
#include "train/trainer.hpp"

#include <torch/torch.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <sstream>
#include <string>
#include <system_error>

namespace cli {
namespace {

namespace fs = std::filesystem;

void print_plan(const Run& run) {
  if (run.plan) {
    print("{}\n", Lines{run.plan->table()});
  } else {
    std::int64_t values = 0;
    for (const auto& parameter : run.model->parameters()) values += parameter.numel();
    print("SGD  {} parameters, {} values\n\n", run.model->parameters().size(), values);
  }
  std::fflush(stdout);
}

/// Prints how to resume after a signal.
void save_and_say(const Run& run, const RunFolder& folder, const Position& position,
                  const Tracking& tracking, int signal) {
  if (run.options.optimizer == OptimizerKind::sgd) {
    print("\nstopped by {} after step {}; --optimizer sgd has no checkpoints\n",
          StopSignal::name(signal), position.step);
    std::error_code ignored;
    if (folder.made) fs::remove(folder.path, ignored);  // if it is empty
    return;
  }
  const fs::path file = save(run, folder, position, tracking.id());
  const fs::path from = run.options.checkpoint.empty() ? folder.path : file;
  print("\nstopped by {} after step {} of {}; saved in {}\nto resume  {}\n",
        StopSignal::name(signal), position.step, run.steps, file,
        resume_command(run.options, from));
}

void write_results(const Run& run, const RunFolder& folder, const Position& position,
                   double seconds) {
  const fs::path weights = folder.path / "model.pt", summary = folder.path / "summary.json";
  std::ostringstream archive;
  torch::save(std::static_pointer_cast<torch::nn::Module>(run.model), archive);
  write_file(weights, archive.str());
  const std::string text =
      summary_json(run.options, run.plan, position.step, seconds, position.results);
  write_file(summary, text);
  if (!run.options.summary.empty()) write_file(run.options.summary, text);
  print("\n{} steps in {:.1f} s; {}\nmodel    {}\nsummary  {}\n", position.step, seconds,
        run.data->text_of(position.results.back().test), weights,
        run.options.summary.empty() ? summary : fs::path(run.options.summary));
}

}  // namespace

int train(const TrainOptions& options) {
  Run run = make_run(options);
  print_plan(run);
  if (options.plan_only) return 0;
  make_trainable(run);
  RunFolder folder = find_run_folder(run.options);
  Position position(run.tensor_options.device());
  std::string track_id;  // of the run that was stopped
  if (folder.resume_from) track_id = resume(run, folder, position);
  make_run_folder(folder, run.steps);
  Tracking tracking;  // declared after the run, so that it is destroyed before what it watches
  tracking.start(run.options, run.plan, folder, *run.model, run.steps, position.step, track_id);

  const StopSignal stop;
  Trainer trainer(run, folder, position, tracking);
  const int signal = trainer.train(stop);
  trainer.clear_progress();
  if (signal != 0) {
    save_and_say(run, folder, position, tracking, signal);
  } else {
    write_results(run, folder, position, trainer.seconds());
    if (options.sample) print_sample(run, *options.sample, stop);
  }
  const int status = signal == 0 ? 0 : 128 + signal;
  tracking.finish(status);
  return status;
}

}  // namespace cli
