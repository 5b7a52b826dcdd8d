#include "train/trainer.hpp"

#include "cli/print.hpp"
#include "train/going_on.hpp"
#include "train/gradients.hpp"
#include "train/make_optimizer.hpp"

#include <ATen/CPUGeneratorImpl.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <stdexcept>

namespace cli {
namespace {

/// The order of the training images in an epoch: a function of seed and epoch alone, so that a run
/// can go on inside one.
torch::Tensor order_of(std::int64_t epoch, std::int64_t images, std::int64_t seed) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(
      static_cast<std::uint64_t>(seed) * 1000003 + static_cast<std::uint64_t>(epoch));
  return torch::randperm(images, generator, torch::kInt64);
}

Evaluation evaluate(const Run& run) {
  const torch::NoGradGuard no_grad;
  const Split& test = run.data.test;
  Evaluation sum;
  for (std::int64_t first = 0; first < test.size(); first += 1000) {
    const torch::Tensor chosen = torch::arange(first, std::min(first + 1000, test.size()));
    const torch::Tensor labels =
        test.labels.index_select(0, chosen).to(run.tensor_options.device());
    const torch::Tensor logits =
        run.model->forward(run.data.batch(test, chosen, run.tensor_options)).to(torch::kFloat32);
    const auto summed = torch::nn::functional::CrossEntropyFuncOptions().reduction(torch::kSum);
    sum.loss += torch::nn::functional::cross_entropy(logits, labels, summed).item<double>();
    sum.accuracy += logits.argmax(1).eq(labels).sum().item<double>();
  }
  const auto count = static_cast<double>(test.size());
  return {sum.loss / count, sum.accuracy / count};
}

}  // namespace

Trainer::Trainer(Run& run, const RunFolder& folder, Position& position, Tracking& tracking)
    : run_(run),
      folder_(folder),
      position_(position),
      tracking_(tracking),
      progress_(position.step, run.steps, run.options.batch_size) {}

int Trainer::train(const StopSignal& stop) {
  while (position_.step < run_.steps || position_.batches > 0) {
    if (!train_epoch(stop)) return stop.received();
    // a run of --steps may end inside an epoch, and go on there later
    if (position_.batches < run_.steps_an_epoch) break;
    position_.end_epoch();
  }
  if (run_.options.save_every > 0) save(run_, folder_, position_, tracking_.id());
  return 0;
}

/// What is left of the epoch; false if a signal came.
bool Trainer::train_epoch(const StopSignal& stop) {
  const TrainOptions& o = run_.options;
  const double before = progress_.seconds();
  const torch::Tensor order = order_of(position_.epoch, run_.data.train.size(), o.seed);
  while (position_.batches < run_.steps_an_epoch && position_.step < run_.steps) {
    const std::int64_t first = position_.batches * o.batch_size;
    position_.loss_sum += train_batch(order.slice(0, first, first + o.batch_size));
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
  if (progress_.due(position_.step))
    progress_.show(label(), position_.step, position_.loss(), learning_rates(*run_.optimizer));
  run_.scheduler->step();
}

/// One step. Returns its loss.
torch::Tensor Trainer::train_batch(const torch::Tensor& chosen) {
  const TrainOptions& o = run_.options;
  const torch::Tensor labels =
      run_.data.train.labels.index_select(0, chosen).to(run_.tensor_options.device());
  if (o.momentum_warmup > 0) {
    const double last = momentum(o);
    muon::set_momentum(*run_.optimizer,
                       muon::schedule::momentum_warmup(position_.step, o.momentum_warmup,
                                                       std::min(0.85, last), last));
  }
  run_.optimizer->zero_grad();
  const torch::Tensor logits =
      run_.model->forward(run_.data.batch(run_.data.train, chosen, run_.tensor_options));
  const torch::Tensor loss = torch::nn::functional::cross_entropy(logits, labels);
  loss.backward();
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
    throw std::runtime_error(
        message("the training loss of epoch {} is not finite; lower --lr", position_.epoch));
  print("{}  train loss {:.4f}  test loss {:.4f}  test accuracy {:.2f} %  {:.1f} s\n", label(),
        result.train_loss, result.test.loss, 100 * result.test.accuracy, result.seconds);
  std::fflush(stdout);
  position_.results.push_back(result);
  tracking_.epoch(result);
}

std::string Trainer::label() const {
  if (run_.options.steps) return message("epoch {}", position_.epoch);
  return message("epoch {}/{}", position_.epoch, run_.options.epochs);
}

}  // namespace cli
