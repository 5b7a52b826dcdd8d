#include "train/summary.hpp"

#include "cli/json_text.hpp"
#include "train/data/text_data.hpp"
#include "train/make_optimizer.hpp"
#include "train/models/model.hpp"

#include <muon/version.hpp>

#include <torch/torch.h>
#include <torch/version.h>

#include <limits>

namespace cli {
namespace {

using Json = nlohmann::ordered_json;

}  // namespace

double number(const nlohmann::json& json) {
  return json.is_null() ? std::numeric_limits<double>::quiet_NaN() : json.get<double>();
}

Json results_json(const std::vector<EpochResult>& results) {
  Json json = Json::array();
  for (const EpochResult& r : results) {
    json.push_back(Json{{"epoch", r.epoch},
                        {"step", r.step},
                        {"train_loss", r.train_loss},
                        {"test_loss", r.test.loss},
                        {"test_accuracy", r.test.accuracy},
                        {"seconds", r.seconds}});
  }
  return json;
}

std::vector<EpochResult> results_from_json(const nlohmann::json& json) {
  std::vector<EpochResult> results;
  for (const auto& r : json) {
    results.push_back({r.at("epoch"),
                       r.at("step"),
                       number(r.at("train_loss")),
                       {number(r.at("test_loss")), r.at("test_accuracy")},
                       r.at("seconds")});
  }
  return results;
}

Json numeric_options_json(const TrainOptions& o, std::int64_t steps) {
  Json json{{"model", o.model},
            {"data", o.data},
            {"optimizer", word_of(o.optimizer)},
            {"lr", learning_rate(o)},
            {"adamw_lr", aux_learning_rate(o)},
            {"weight_decay", weight_decay(o)},
            {"momentum", momentum(o)},
            {"momentum_warmup", o.momentum_warmup},
            {"adjust_lr", word_of(o.adjust_lr)},
            {"method", word_of(o.method)},
            {"assign", o.assign},
            {"schedule", word_of(o.schedule)},
            {"warmup", o.warmup},
            {"steps", steps},
            {"batch_size", o.batch_size},
            {"clip", o.clip},
            {"seed", o.seed},
            {"dtype", word_of(o.dtype)}};
  if (!is_language_model(o.model)) return json;
  json["layers"] = o.gpt.layers;
  json["width"] = o.gpt.width;
  json["heads"] = o.gpt.heads;
  json["context"] = o.gpt.context;
  json["tied"] = o.gpt.tied;
  json["eval_every"] = o.eval_every;
  return json;
}

Json options_json(const TrainOptions& o, std::int64_t steps) {
  Json json = numeric_options_json(o, steps);
  json["device"] = o.device;
  json["threads"] = torch::get_num_threads();
  json["flush_denormals"] = o.flush_denormals;
  return json;
}

std::string summary_json(const TrainOptions& options, const std::optional<muon::Plan>& plan,
                         std::int64_t steps, double seconds,
                         const std::vector<EpochResult>& results) {
  Json json{{"format", 1}, {"program", "muon " MUON_VERSION_STRING}, {"libtorch", TORCH_VERSION}};
  json["options"] = options_json(options, steps);
  json["plan"] = plan ? Json::parse(plan->json()) : Json(nullptr);
  json["seed"] = options.seed;
  json["steps"] = steps;
  json["seconds"] = seconds;
  json["epochs"] = results_json(results);
  if (is_language_model(options.model))
    json["bits_per_byte"] = bits_per_byte(results.back().test.loss);
  return json_text(json) + "\n";
}

}  // namespace cli
