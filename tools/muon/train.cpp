#include "train.hpp"

#include "data/dataset.hpp"
#include "models/model.hpp"
#include "optimizer_choice.hpp"
#include "progress.hpp"
#include "result_file.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <torch/torch.h>
#include <torch/version.h>

#include <chrono>
#include <ctime>
#include <filesystem>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct Evaluation {
  double loss = 0;
  double accuracy = 0;
};

struct EpochResult {
  std::int64_t epoch, step;
  double train_loss;
  Evaluation test;
  double seconds;
};

torch::Device parse_device(const std::string& text) {
  const bool cuda = text == "cuda" || (text.starts_with("cuda:") && text.size() > 5 && text.size() < 9 &&
                                       text.find_first_not_of("0123456789", 5) == std::string::npos);
  if (text != "cpu" && !cuda) throw UsageError(fmt::format("--device '{}' is unknown; give cpu, cuda, or cuda:N", text));
  const torch::Device device(text);
  if (cuda && !torch::cuda::is_available())
    throw UsageError("--device cuda: this LibTorch finds no CUDA device; use --device cpu");
  if (cuda && device.has_index() &&
      static_cast<std::size_t>(device.index()) >= static_cast<std::size_t>(torch::cuda::device_count())) {
    throw UsageError(fmt::format("--device {}: there are {} CUDA devices, from 0", text, torch::cuda::device_count()));
  }
  return device;
}

torch::ScalarType parse_dtype(const std::string& text) {
  if (text == "float64") return torch::kFloat64;
  return text == "bfloat16" ? torch::kBFloat16 : torch::kFloat32;
}

/// One line a parameter.
void print_gradients(const Model& model, std::int64_t step) {
  fmt::print("gradients after step {}\n", step);
  std::size_t width = 0;
  for (const auto& entry : model.named_parameters()) width = std::max(width, entry.key().size());
  for (const auto& entry : model.named_parameters()) {
    const torch::Tensor& gradient = entry.value().grad();
    if (gradient.defined()) {
      std::ostringstream shape;
      shape << gradient.sizes();
      fmt::print("  {:<{}}  {:<14}  norm {:.4g}\n", entry.key(), width, shape.str(), gradient.norm().item<double>());
    } else {
      fmt::print("  {:<{}}  no gradient: {}\n", entry.key(), width,
                 entry.value().requires_grad() ? "it took no part in the loss, and no optimizer moved it" : "it is frozen");
    }
  }
}

Json options_json(const TrainOptions& o, std::int64_t steps) {
  return Json{{"model", o.model},
              {"data", o.data},
              {"optimizer", o.optimizer},
              {"lr", o.learning_rate()},
              {"adamw_lr", o.adamw_lr},
              {"weight_decay", o.weight_decay},
              {"momentum", o.momentum},
              {"momentum_warmup", o.momentum_warmup},
              {"adjust_lr", o.adjust_lr},
              {"method", o.method},
              {"assign", o.assign},
              {"schedule", o.schedule},
              {"warmup", o.warmup},
              {"steps", steps},
              {"batch_size", o.batch_size},
              {"seed", o.seed},
              {"dtype", o.dtype},
              {"device", o.device},
              {"threads", torch::get_num_threads()}};
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

  void run() {
    check_summary();
    const bool known_classes = options_.data == "mnist" || options_.data == "random";
    if (!options_.plan_only || !known_classes) data_ = load_dataset(options_.data, options_.seed);
    torch::manual_seed(static_cast<std::uint64_t>(options_.seed));
    model_ = make_model(options_.model, data_.train.images.defined() ? data_.image() : ImageShape(), data_.classes);
    model_->to(tensor_options_.device(), torch::typeMetaToScalarType(tensor_options_.dtype()));
    plan_ = plan_for(options_, *model_);
    freeze();
    print_plan();
    if (options_.plan_only) return;

    options_.batch_size = std::min(options_.batch_size, data_.train.size());
    steps_an_epoch_ = 1 + (data_.train.size() - 1) / options_.batch_size;
    if (!options_.steps && options_.epochs > (std::int64_t{1} << 40) / steps_an_epoch_) {
      throw UsageError(fmt::format("--epochs {} is more than anyone can wait for", options_.epochs));
    }
    total_ = options_.steps.value_or(options_.epochs * steps_an_epoch_);
    optimizer_ = make_optimizer(options_, *model_, plan_);
    const muon::Schedule schedule = make_schedule(options_, total_);
    make_run_dir();
    muon::LambdaLR scheduler(*optimizer_, schedule);
    Progress progress(total_, options_.batch_size);
    for (std::int64_t epoch = 1; step_ < total_; ++epoch) train_epoch(epoch, scheduler, progress);
    finish(progress.seconds());
  }

 private:
  /// Before anything is made or trained. A summary inside the run's folder is checked with that.
  void check_summary() const {
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

  void make_run_dir() {
    run_dir_ = options_.run_dir;
    if (run_dir_.empty()) {
      const std::time_t now = std::time(nullptr);
      const std::string name = fmt::format("{:%Y%m%d-%H%M%S}-{}", fmt::localtime(now), options_.model);
      run_dir_ = fs::path("runs") / name;
      for (int i = 2; fs::exists(run_dir_); ++i) run_dir_ = fs::path("runs") / fmt::format("{}-{}", name, i);
    }
    std::error_code error;
    fs::create_directories(run_dir_, error);
    if (error) throw std::runtime_error(fmt::format("--run-dir {} cannot be made: {}", run_dir_.string(), error.message()));
    if (fs::exists(run_dir_ / "summary.json")) {
      throw UsageError(fmt::format("--run-dir {} holds the result of another run; give another folder", run_dir_.string()));
    }
    check_writable(run_dir_ / "summary.json");
  }

  void train_epoch(std::int64_t epoch, muon::LambdaLR& scheduler, Progress& progress) {
    const double begin = progress.seconds();
    const std::string label =
        options_.steps ? fmt::format("epoch {}", epoch) : fmt::format("epoch {}/{}", epoch, options_.epochs);
    const torch::Tensor order = torch::randperm(data_.train.size(), torch::kInt64);
    torch::Tensor loss_sum = torch::zeros({}, torch::TensorOptions().dtype(torch::kFloat64).device(tensor_options_.device()));
    std::int64_t batches = 0;
    for (; batches < steps_an_epoch_ && step_ < total_; ++batches) {
      const std::int64_t first = batches * options_.batch_size;
      const torch::Tensor chosen = order.slice(0, first, first + options_.batch_size);
      loss_sum += train_step(chosen);
      if (wants_gradients(batches == 0)) {
        progress.clear();
        print_gradients(*model_, step_);
      }
      if (progress.due(step_)) {
        progress.show(label, step_, loss_sum.item<double>() / static_cast<double>(batches + 1), learning_rates(*optimizer_));
      }
      scheduler.step();
    }
    progress.pause();
    const EpochResult result{epoch, step_, loss_sum.item<double>() / static_cast<double>(batches), evaluate(),
                             progress.seconds() - begin};
    progress.resume();
    progress.clear();
    if (!std::isfinite(result.train_loss)) {
      throw std::runtime_error(fmt::format("the training loss of epoch {} is not finite; lower --lr", epoch));
    }
    fmt::print("{}  train loss {:.4f}  test loss {:.4f}  test accuracy {:.2f} %  {:.1f} s\n", label, result.train_loss,
               result.test.loss, 100 * result.test.accuracy, result.seconds);
    std::fflush(stdout);
    results_.push_back(result);
  }

  bool wants_gradients(bool first_of_epoch) const {
    if (!options_.gradients) return false;
    return *options_.gradients > 0 ? step_ % *options_.gradients == 0 : first_of_epoch;
  }

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
    optimizer_->step();
    ++step_;
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

  void finish(double seconds) const {
    const fs::path weights = run_dir_ / "model.pt", summary = run_dir_ / "summary.json";
    std::ostringstream archive;
    torch::save(std::static_pointer_cast<torch::nn::Module>(model_), archive);
    write_file(weights, archive.str());
    const std::string text = summary_json(seconds);
    write_file(summary, text);
    if (!options_.summary.empty()) write_file(options_.summary, text);
    fmt::print("\n{} steps in {:.1f} s; test accuracy {:.2f} %\nmodel    {}\nsummary  {}\n", step_, seconds,
               100 * results_.back().test.accuracy, weights.string(),
               options_.summary.empty() ? summary.string() : options_.summary);
  }

  std::string summary_json(double seconds) const {
    Json json{{"format", 1}, {"program", "muon " MUON_VERSION}, {"libtorch", TORCH_VERSION}};
    json["options"] = options_json(options_, total_);
    json["plan"] = plan_ ? Json::parse(plan_->json()) : Json(nullptr);
    json["seed"] = options_.seed;
    json["steps"] = step_;
    json["seconds"] = seconds;
    json["epochs"] = Json::array();
    for (const EpochResult& r : results_) {
      json["epochs"].push_back(Json{{"epoch", r.epoch},
                                    {"step", r.step},
                                    {"train_loss", r.train_loss},
                                    {"test_loss", r.test.loss},
                                    {"test_accuracy", r.test.accuracy},
                                    {"seconds", r.seconds}});
    }
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  }

  TrainOptions options_;
  torch::TensorOptions tensor_options_;
  Dataset data_;
  std::shared_ptr<Model> model_;
  std::optional<muon::Plan> plan_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
  std::int64_t steps_an_epoch_ = 0, total_ = 0, step_ = 0;
  std::vector<EpochResult> results_;
  fs::path run_dir_;
};

}  // namespace

void train(const TrainOptions& options) { Training(options).run(); }

}  // namespace cli
