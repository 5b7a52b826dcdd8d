#include "train/tracking.hpp"

#include "cli/print.hpp"
#include "cli/shell_word.hpp"
#include "cli/usage_error.hpp"
#include "train/make_optimizer.hpp"

#include <muon/track/jsonl.hpp>
#include <muon/track/tensorboard.hpp>
#include <muon/track/wandb.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <torch/torch.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <stdexcept>
#include <utility>

namespace cli {
namespace {

namespace fs = std::filesystem;
namespace track = muon::track;
using Json = nlohmann::ordered_json;

track::Value value_of(const Json& json) {
  switch (json.type()) {
    case Json::value_t::boolean: return json.get<bool>();
    case Json::value_t::number_integer: return json.get<std::int64_t>();
    case Json::value_t::number_unsigned: return json.get<std::uint64_t>();
    case Json::value_t::number_float: return json.get<double>();
    case Json::value_t::string: return json.get<std::string>();
    case Json::value_t::array: {
      track::List list;
      for (const Json& item : json) list.push_back(value_of(item));
      return list;
    }
    case Json::value_t::object: {
      track::Object object;
      for (const auto& [key, item] : json.items()) object.emplace_back(key, value_of(item));
      return object;
    }
    default: return {};
  }
}

/// A resumed run starts a new file.
fs::path new_lines(const fs::path& folder) {
  fs::path file = folder / "metrics.jsonl";
  for (int i = 2; fs::exists(file); ++i) file = folder / fmt::format("metrics-{}.jsonl", i);
  return file;
}

std::shared_ptr<track::Sink> make_sink(TrackFormat format, const fs::path& folder) {
  switch (format) {
    case TrackFormat::wandb: return track::wandb_offline();
    case TrackFormat::tensorboard: return track::tensorboard(folder / "tensorboard");
    case TrackFormat::jsonl: break;
  }
  return track::jsonl(new_lines(folder));
}

/// Commands that show what a sink has written, for a shell.
std::string how_to_view(const track::Sink& sink) {
  const std::string path = shell_word(sink.path().string());
  if (sink.name() == "wandb") return fmt::format("wandb sync {0}   or   wandb leet {0}", path);
  return sink.name() == "tensorboard" ? fmt::format("tensorboard --logdir {}", path) : path;
}

/// "muon", "adamw"; a second group of a kind is "muon_2".
std::vector<std::string> group_names(torch::optim::Optimizer& optimizer) {
  std::vector<std::string> names;
  std::map<std::string, int> count;
  for (auto& group : optimizer.param_groups()) {
    const std::string kind = word_of(kind_of(group.options()));
    const int number = ++count[kind];
    names.push_back(number == 1 ? kind : fmt::format("{}_{}", kind, number));
  }
  return names;
}

/// The norm of all tensors as one vector.
double norm_of(const std::vector<torch::Tensor>& tensors) {
  double squares = 0;
  for (const torch::Tensor& tensor : tensors)
    squares += std::pow(tensor.norm(2, torch::kFloat).item<double>(), 2);
  return std::sqrt(squares);
}

}  // namespace

void check_tracking(const TrainOptions& o) {
  if (o.track.empty()) {
    if (o.watch || !o.project.empty() || !o.name.empty())
      throw UsageError(
          "--watch, --project and --name need --track, which says where to write: --track "
          "tensorboard");
    return;
  }
  try {
    (void)track::init({.project = o.project, .name = o.name, .sinks = {}});
  } catch (const std::invalid_argument& error) {
    throw UsageError(error.what());
  }
}

void Tracking::start(const TrainOptions& o, const std::optional<muon::Plan>& plan,
                     const RunFolder& folder, const Model& model, std::int64_t steps,
                     std::int64_t step, const std::string& id) {
  if (o.track.empty()) return;
  every_ = o.log_every;
  program_ = o.program;
  Json config = options_json(o, steps);
  config["plan"] = plan ? Json::parse(plan->json()) : Json();
  track::RunOptions options;
  options.project = o.project;
  const fs::path path = fs::absolute(folder.path).lexically_normal();
  options.name = o.name;
  if (o.name.empty() && std::getenv("WANDB_NAME") == nullptr)
    options.name = (path.has_filename() ? path : path.parent_path()).filename().string();
  options.config = std::get<track::Object>(value_of(config).get());
  options.dir = folder.path;
  options.id = id;
  options.system_metrics_interval = 15;
  options.sinks.clear();
  for (const TrackFormat format : o.track) options.sinks.push_back(make_sink(format, folder.path));
  run_ = track::init(std::move(options));
  if (run_->sinks().size() < o.track.size())
    print_error("muon: WANDB_MODE=disabled: nothing is written for wandb\n");
  if (o.watch)
    watch_ = track::watch(*run_, model, {.log = *o.watch, .log_freq = every_, .start = step});
}

void Tracking::before_step(std::int64_t step, torch::optim::Optimizer& optimizer) {
  before_.clear();
  if (!is_logged(step)) return;
  for (auto& group : optimizer.param_groups()) {
    for (const torch::Tensor& parameter : group.params())
      before_.push_back(parameter.detach().clone());
  }
}

void Tracking::after_step(std::int64_t step, torch::optim::Optimizer& optimizer,
                          const torch::Tensor& loss) {
  if (watch_) watch_->step();
  if (!is_logged(step)) return;
  const torch::NoGradGuard no_grad;
  track::Object row{{"train/loss", loss}};
  const std::vector<std::string> names = group_names(optimizer);
  std::size_t next = 0;
  for (std::size_t g = 0; g < names.size(); ++g) {
    auto& group = optimizer.param_groups()[g];
    std::vector<torch::Tensor> gradients, updates;
    for (const torch::Tensor& parameter : group.params()) {
      if (parameter.grad().defined()) gradients.push_back(parameter.grad());
      updates.push_back(parameter.detach() - before_[next++]);
    }
    row.emplace_back("lr/" + names[g], group.options().get_lr());
    row.emplace_back("gradient_norm/" + names[g], norm_of(gradients));
    row.emplace_back("update_norm/" + names[g], norm_of(updates));
  }
  before_.clear();
  run_->log(row, step);
  report_problems();
}

void Tracking::epoch(const EpochResult& result) {
  if (!run_) return;
  run_->log({{"epoch", result.epoch},
             {"train/epoch_loss", result.train_loss},
             {"test/loss", result.test.loss},
             {"test/accuracy", result.test.accuracy},
             {"epoch_seconds", result.seconds}},
            result.step);
  report_problems();
}

void Tracking::finish(int exit_code) {
  if (!run_) return;
  run_->finish(exit_code);
  const char* label = "tracked";
  for (const auto& sink : run_->sinks()) {
    print("{:<8} {}\n", label, how_to_view(*sink));
    label = "";
  }
  if (!run_->sinks().empty())
    print("{:<8} {} inspect {}\n", "", shell_word(program_), shell_word(run_->info().dir.string()));
  for (const muon::track::Problem& problem : run_->problems())
    print_error("muon: tracking lost something: {}\n", problem.to_string());
}

void Tracking::report_problems() {
  for (const muon::track::Problem& problem : run_->problems()) {
    if (reported_.insert(problem.what).second)
      print_error("\nmuon: tracking data was lost, training continues: {}\n", problem.to_string());
  }
}

}  // namespace cli
