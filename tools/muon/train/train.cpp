#include "train/train.hpp"

#include "train/data/dataset.hpp"
#include "train/device.hpp"
#include "train/gradients.hpp"
#include "train/models/model.hpp"
#include "train/make_optimizer.hpp"
#include "cli/usage_error.hpp"
#include "train/progress.hpp"
#include "cli/output_file.hpp"
#include "train/run_folder.hpp"
#include "cli/stop_signal.hpp"
#include "train/summary.hpp"
#include "train/tracking.hpp"

#include <ATen/CPUGeneratorImpl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <torch/torch.h>

#include <filesystem>
#include <map>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

/// The order of the training images in an epoch: a function of seed and epoch alone, so that a run can go on inside one.
torch::Tensor order_of(std::int64_t epoch, std::int64_t images, std::int64_t seed) {
  auto generator =
      at::make_generator<at::CPUGeneratorImpl>(static_cast<std::uint64_t>(seed) * 1000003 + static_cast<std::uint64_t>(epoch));
  return torch::randperm(images, generator, torch::kInt64);
}

/// One training run: what the options made, and the loop over it.
class Training {
 public:
  explicit Training(const TrainOptions& options)
      : options_(options),
        tensor_options_(torch::TensorOptions().dtype(parse_dtype(options.dtype)).device(parse_device(options.device))) {
    // LibTorch's own choice is one thread for two processors in some versions
    const int processors = static_cast<int>(std::thread::hardware_concurrency());
    torch::set_num_threads(options.threads > 0 ? options.threads : std::clamp(processors, 1, 8));
  }

  int run() {
    check_options();
    const bool known_classes = options_.data == "mnist" || options_.data == "random";
    if (!options_.plan_only || !known_classes) data_ = load_dataset(options_.data, options_.seed);
    torch::manual_seed(static_cast<std::uint64_t>(options_.seed));
    model_ = make_model(options_.model, data_.train.images.defined() ? data_.image() : ImageShape(), data_.classes);
    model_->to(tensor_options_.device(), torch::typeMetaToScalarType(tensor_options_.dtype()));
    plan_ = plan_for(options_, *model_);
    freeze();
    print_plan();
    if (options_.plan_only) return 0;

    options_.batch_size = std::min(options_.batch_size, data_.train.size());
    steps_an_epoch_ = 1 + (data_.train.size() - 1) / options_.batch_size;
    if (!options_.steps && options_.epochs > (std::int64_t{1} << 40) / steps_an_epoch_) {
      throw UsageError(fmt::format("--epochs {} is more than anyone can wait for", options_.epochs));
    }
    total_ = options_.steps.value_or(options_.epochs * steps_an_epoch_);
    optimizer_ = make_optimizer(options_, *model_, plan_);
    folder_ = find_run_folder(options_);
    scheduler_ = std::make_unique<muon::LambdaLR>(*optimizer_, make_schedule(options_, total_));
    loss_sum_ = torch::zeros({}, torch::TensorOptions().dtype(torch::kFloat64).device(tensor_options_.device()));
    if (folder_.resume_from) resume();
    make_run_folder(folder_);
    tracking_.start(options_, plan_, folder_, *model_, total_, step_, track_id_);
    const StopSignal stop;
    Progress progress(step_, total_, options_.batch_size);
    for (; step_ < total_ || batches_ > 0; ++epoch_, batches_ = 0, loss_sum_.zero_()) {
      if (!train_epoch(stop, progress)) return stopped(stop.received(), progress);
    }
    if (options_.save_every > 0) save();
    finish(progress.seconds());
    return 0;
  }

 private:
  /// Before anything is made or trained. A summary inside the run's folder is checked with that.
  void check_options() {
    if (options_.optimizer == "sgd" && (!options_.checkpoint.empty() || !options_.resume.empty() || options_.save_every > 0))
      throw UsageError("--optimizer sgd has no checkpoints; leave --checkpoint, --save-every and --resume out");
    check_tracking(options_);
    if (options_.summary.empty()) return;
    const fs::path summary = options_.summary, folder = options_.run_dir;
    const bool inside = !folder.empty() && summary.parent_path().lexically_normal() == folder.lexically_normal();
    if (inside && summary.filename() == "model.pt")
      throw UsageError("--summary would overwrite the model in --run-dir; give another name");
    if (!inside) check_writable(summary);
  }

  /// A frozen parameter needs no gradient either.
  void freeze() {
    if (!plan_) return;
    for (const muon::Assignment& a : plan_->assignments()) {
      if (a.algorithm == muon::Algorithm::frozen) torch::Tensor(a.parameter.tensor).requires_grad_(false);
    }
    if (plan_->param_groups().empty()) throw UsageError("--assign freezes every parameter; leave one to train");
  }

  void print_plan() const {
    if (plan_) {
      fmt::print("{}\n", plan_->table());
    } else {
      std::int64_t values = 0;
      for (const auto& parameter : model_->parameters()) values += parameter.numel();
      fmt::print("SGD  {} parameters, {} values\n\n", model_->parameters().size(), values);
    }
    std::fflush(stdout);
  }

  // ---- stopping and going on ----

  /// All that the numbers of the rest of the run depend on.
  muon::TrainingState parts() {
    muon::TrainingState parts{.model = *model_,
                         .optimizer = dynamic_cast<muon::GroupedOptimizer*>(optimizer_.get()),
                         .schedule = scheduler_.get(),
                         .step = step_};
    const Json position{{"epoch", epoch_}, {"batches", batches_}, {"loss_sum", loss_sum_.item<double>()}};
    parts.notes = {{"options", numeric_options_json(options_, total_).dump(-1, ' ', false, Json::error_handler_t::replace)},
                   {"position", position.dump()},
                   {"results", results_json(results_).dump()}};
    if (!tracking_.id().empty()) parts.notes["track_id"] = tracking_.id();
    return parts;
  }

  fs::path save() { return muon::save_checkpoint(folder_.checkpoints, parts(), options_.keep); }

  void resume() {
    const fs::path& file = *folder_.resume_from;
    check_same_options(muon::inspect_checkpoint(file).notes);
    const muon::LoadResult restored = muon::load_checkpoint(file, parts());
    const auto position = Json::parse(restored.notes.at("position"));
    step_ = restored.step;
    epoch_ = position.at("epoch");
    batches_ = position.at("batches");
    loss_sum_.fill_(number(position.at("loss_sum")));
    results_ = results_from_json(nlohmann::json::parse(restored.notes.at("results")));
    if (const auto id = restored.notes.find("track_id"); id != restored.notes.end()) track_id_ = id->second;
    fmt::print("resumed after step {} from {}\n\n", step_, file.string());
  }

  void check_same_options(const std::map<std::string, std::string>& notes) const {
    const auto stored = notes.find("options");
    if (stored == notes.end() || notes.count("position") == 0 || notes.count("results") == 0)
      throw UsageError(fmt::format("--resume: {} was not written by muon train", folder_.resume_from->string()));
    const auto theirs = Json::parse(stored->second), mine = numeric_options_json(options_, total_);
    std::vector<std::string> differences;
    for (const auto& [key, value] : mine.items()) {
      const auto other = theirs.value(key, Json());
      if (other != value) differences.push_back(fmt::format("{} was {} and is {} now", key, other.dump(), value.dump()));
    }
    if (!differences.empty())
      throw UsageError(fmt::format("--resume: give the run's own options again; {}", fmt::join(differences, ", ")));
  }

  int stopped(int signal, Progress& progress) {
    progress.clear();
    if (options_.optimizer == "sgd") {
      fmt::print("\nstopped by {} after step {}; --optimizer sgd has no checkpoints\n", StopSignal::name(signal), step_);
      std::error_code ignored;
      if (folder_.made) fs::remove(folder_.path, ignored);  // if nothing is in it
      return 128 + signal;
    }
    const fs::path file = save();
    const fs::path from = options_.checkpoint.empty() ? folder_.path : file;
    fmt::print("\nstopped by {} after step {} of {}; saved in {}\nto go on   {}\n", StopSignal::name(signal), step_, total_,
               file.string(), resume_command(options_, from));
    tracking_.finish(128 + signal);
    return 128 + signal;
  }

  // ---- training ----

  /// What is left of the epoch; false if a signal came.
  bool train_epoch(const StopSignal& stop, Progress& progress) {
    const double begin = progress.seconds();
    const std::string label =
        options_.steps ? fmt::format("epoch {}", epoch_) : fmt::format("epoch {}/{}", epoch_, options_.epochs);
    const torch::Tensor order = order_of(epoch_, data_.train.size(), options_.seed);
    while (batches_ < steps_an_epoch_ && step_ < total_) {
      const std::int64_t first = batches_ * options_.batch_size;
      loss_sum_ += train_step(order.slice(0, first, first + options_.batch_size));
      ++batches_;
      if (wants_gradients(batches_ == 1)) {
        progress.clear();
        print_gradients(*model_, step_);
      }
      if (progress.due(step_)) {
        progress.show(label, step_, loss_sum_.item<double>() / static_cast<double>(batches_), learning_rates(*optimizer_));
      }
      scheduler_->step();
      if (stop.received() != 0) return false;
      if (options_.save_every > 0 && step_ % options_.save_every == 0) save();
    }
    progress.pause();
    const EpochResult result{epoch_, step_, loss_sum_.item<double>() / static_cast<double>(batches_), evaluate(),
                             progress.seconds() - begin};
    progress.resume();
    progress.clear();
    if (!std::isfinite(result.train_loss)) {
      throw std::runtime_error(fmt::format("the training loss of epoch {} is not finite; lower --lr", epoch_));
    }
    fmt::print("{}  train loss {:.4f}  test loss {:.4f}  test accuracy {:.2f} %  {:.1f} s\n", label, result.train_loss,
               result.test.loss, 100 * result.test.accuracy, result.seconds);
    std::fflush(stdout);
    results_.push_back(result);
    tracking_.epoch(result);
    return true;
  }

  bool wants_gradients(bool first_of_epoch) const {
    if (!options_.gradients) return false;
    return *options_.gradients > 0 ? step_ % *options_.gradients == 0 : first_of_epoch;
  }

  /// Its loss.
  torch::Tensor train_step(const torch::Tensor& chosen) {
    const torch::Tensor labels = data_.train.labels.index_select(0, chosen).to(tensor_options_.device());
    if (options_.momentum_warmup > 0) {
      muon::set_momentum(*optimizer_, muon::schedule::momentum_warmup(step_, options_.momentum_warmup,
                                                                      std::min(0.85, options_.momentum), options_.momentum));
    }
    optimizer_->zero_grad();
    const torch::Tensor logits = model_->forward(data_.batch(data_.train, chosen, tensor_options_));
    const torch::Tensor loss = torch::nn::functional::cross_entropy(logits, labels);
    loss.backward();
    tracking_.before_step(step_ + 1, *optimizer_);
    optimizer_->step();
    ++step_;
    tracking_.after_step(step_, *optimizer_, loss);
    return loss.detach().to(torch::kFloat64);
  }

  Evaluation evaluate() {
    const torch::NoGradGuard no_grad;
    Evaluation sum;
    for (std::int64_t first = 0; first < data_.test.size(); first += 1000) {
      const torch::Tensor chosen = torch::arange(first, std::min(first + 1000, data_.test.size()));
      const torch::Tensor labels = data_.test.labels.index_select(0, chosen).to(tensor_options_.device());
      const torch::Tensor logits = model_->forward(data_.batch(data_.test, chosen, tensor_options_)).to(torch::kFloat32);
      const auto summed = torch::nn::functional::CrossEntropyFuncOptions().reduction(torch::kSum);
      sum.loss += torch::nn::functional::cross_entropy(logits, labels, summed).item<double>();
      sum.accuracy += logits.argmax(1).eq(labels).sum().item<double>();
    }
    const auto count = static_cast<double>(data_.test.size());
    return {sum.loss / count, sum.accuracy / count};
  }

  void finish(double seconds) {
    const fs::path weights = folder_.path / "model.pt", summary = folder_.path / "summary.json";
    std::ostringstream archive;
    torch::save(std::static_pointer_cast<torch::nn::Module>(model_), archive);
    write_file(weights, archive.str());
    const std::string text = summary_json(options_, plan_, step_, seconds, results_);
    write_file(summary, text);
    if (!options_.summary.empty()) write_file(options_.summary, text);
    fmt::print("\n{} steps in {:.1f} s; test accuracy {:.2f} %\nmodel    {}\nsummary  {}\n", step_, seconds,
               100 * results_.back().test.accuracy, weights.string(),
               options_.summary.empty() ? summary.string() : options_.summary);
    tracking_.finish(0);
  }

  TrainOptions options_;
  torch::TensorOptions tensor_options_;
  Dataset data_;
  std::shared_ptr<Model> model_;
  std::optional<muon::Plan> plan_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
  std::unique_ptr<muon::LambdaLR> scheduler_;
  RunFolder folder_;
  std::int64_t steps_an_epoch_ = 0, total_ = 0, step_ = 0;
  std::int64_t epoch_ = 1, batches_ = 0;  // the one at work, and how much of it is done
  torch::Tensor loss_sum_;                // of those, on the device: reading it waits
  std::vector<EpochResult> results_;
  std::string track_id_;  // of the run before it was stopped
  Tracking tracking_;     // last, so that it ends before what it watches
};

}  // namespace

int train(const TrainOptions& options) { return Training(options).run(); }

}  // namespace cli
