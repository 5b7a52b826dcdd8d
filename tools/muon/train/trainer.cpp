#include "train/trainer.hpp"

#include "cli/print.hpp"
#include "train/gradients.hpp"
#include "train/make_optimizer.hpp"
#include "train/resume.hpp"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>

namespace cli {
namespace {

namespace F = torch::nn::functional;

/// A row of logits for each of the batch's targets: [n, classes] of images, [n time, classes] of
/// windows of text.
torch::Tensor logits_for(const Run& run, const Batch& batch) {
  return run.model->forward(batch.inputs).flatten(0, -2);
}

Evaluation evaluate(const Run& run) {
  const torch::NoGradGuard no_grad;
  const auto summed = F::CrossEntropyFuncOptions().reduction(torch::kSum);
  Evaluation sum;
  double count = 0;
  for (std::int64_t i = 0; i < run.data->held_out_batches(); ++i) {
    const Batch batch = run.data->held_out_batch(i);
    const torch::Tensor logits = logits_for(run, batch).to(torch::kFloat32);
    const torch::Tensor targets = batch.targets.flatten();
    sum.loss += F::cross_entropy(logits, targets, summed).item<double>();
    sum.accuracy += logits.argmax(1).eq(targets).sum().item<double>();
    count += static_cast<double>(targets.numel());
  }
  return {sum.loss / count, sum.accuracy / count};
}

}  // namespace

Trainer::Trainer(Run& run, const RunFolder& folder, Position& position, Tracking& tracking)
    : run_(run),
      folder_(folder),
      position_(position),
      tracking_(tracking),
      progress_(position.step, run.steps, run.data->batch_content()) {}

int Trainer::train(const StopSignal& stop) {
  while (position_.step < run_.steps || position_.batches > 0) {
    if (!train_epoch(stop)) return stop.received();
    // a run of --steps may end inside an epoch, and resume there later
    if (position_.batches < run_.steps_an_epoch) break;
    position_.end_epoch();
  }
  if (run_.options.save_every > 0) save(run_, folder_, position_, tracking_.id());
  return 0;
}

/// Trains for the rest of the epoch; returns false after a signal.
bool Trainer::train_epoch(const StopSignal& stop) {
  const TrainOptions& o = run_.options;
  const double before = progress_.seconds();
  while (position_.batches < run_.steps_an_epoch && position_.step < run_.steps) {
    position_.loss_sum +=
        train_batch(run_.data->training_batch(position_.epoch, position_.batches));
    ++position_.batches;
    after_batch();
    if (stop.received() != 0) return false;
    if (o.save_every > 0 && position_.step % o.save_every == 0)
      save(run_, folder_, position_, tracking_.id());
  }
  finish_epoch(before);
  return true;
}

void Trainer::after_batch() {
  const auto& every = run_.options.gradients;
  if (every && (*every > 0 ? position_.step % *every == 0 : position_.batches == 1)) {
    progress_.clear();
    print_gradients(*run_.model, position_.step);
  }
  if (progress_.due(position_.step)) {
    progress_.show(run_.data->has_epochs() ? label() + "  " + step_label() : step_label(),
                   position_.step, position_.loss(), learning_rates(*run_.optimizer));
  }
  run_.scheduler->step();
}

/// Takes one step and returns its loss.
torch::Tensor Trainer::train_batch(const Batch& batch) {
  const TrainOptions& o = run_.options;
  if (o.momentum_warmup > 0) {
    const double last = momentum(o);
    muon::set_momentum(*run_.optimizer,
                       muon::schedule::momentum_warmup(position_.step, o.momentum_warmup,
                                                       std::min(0.85, last), last));
  }
  run_.optimizer->zero_grad();
  const torch::Tensor loss = F::cross_entropy(logits_for(run_, batch), batch.targets.flatten());
  loss.backward();
  if (o.clip > 0) clip_gradients(*run_.optimizer, o.clip);
  tracking_.before_step(position_.step + 1, *run_.optimizer);
  run_.optimizer->step();
  ++position_.step;
  tracking_.after_step(position_.step, *run_.optimizer, loss);
  return loss.detach().to(torch::kFloat64);
}

void Trainer::finish_epoch(double seconds_before) {
  progress_.pause();
  const EpochResult result{position_.epoch, position_.step, position_.loss(), evaluate(run_),
                           progress_.seconds() - seconds_before};
  progress_.resume();
  progress_.clear();
  if (!std::isfinite(result.train_loss))
    throw std::runtime_error(message("{}: the training loss is not finite; lower --lr", label()));
  print("{}  train loss {:.4f}  {}  {:.1f} s\n", label(), result.train_loss,
        run_.data->text_of(result.test), result.seconds);
  std::fflush(stdout);
  position_.results.push_back(result);
  tracking_.epoch(result);
}

/// What ends with an evaluation: "epoch 2/5", or "step 50/300" of a text.
std::string Trainer::label() const {
  if (!run_.data->has_epochs()) return step_label();
  if (run_.options.steps) return message("epoch {}", position_.epoch);
  return message("epoch {}/{}", position_.epoch, run_.options.epochs);
}

std::string Trainer::step_label() const {
  return message("step {}/{}", position_.step, run_.steps);
}

}  // namespace cli
