#include "cli/choices.hpp"

#include "plan/enum_names.hpp"

namespace cli {
namespace {

/// The words from the library's table.
template <class Enum>
Words<Enum> library_words() {
  Words<Enum> result;
  for (const auto& [value, name] : muon::enum_names<Enum>) result.emplace_back(name, value);
  return result;
}

Words<MethodChoice> method_words() {
  Words<MethodChoice> result;
  for (const auto& [word, method] : library_words<muon::Method>()) {
    if (method == muon::Method::newton_schulz) {
      result.emplace_back("jordan", MethodChoice{method});
      result.emplace_back("polar_express", MethodChoice{method, true});
    } else {
      result.emplace_back(word, MethodChoice{method});
    }
  }
  return result;
}

}  // namespace

void MethodChoice::set(muon::MuonOptions& options) const {
  options.method(method);
  if (polar_express) options.ns_preset(muon::polar_express_steps());
}

template <>
const Words<OptimizerKind>& words<OptimizerKind>() {
  static const Words<OptimizerKind> all{
      {"muon", OptimizerKind::muon}, {"adamw", OptimizerKind::adamw}, {"sgd", OptimizerKind::sgd}};
  return all;
}

template <>
const Words<ScheduleKind>& words<ScheduleKind>() {
  static const Words<ScheduleKind> all{{"constant", ScheduleKind::constant},
                                       {"cosine", ScheduleKind::cosine},
                                       {"wsd", ScheduleKind::wsd}};
  return all;
}

template <>
const Words<TrackFormat>& words<TrackFormat>() {
  static const Words<TrackFormat> all{{"wandb", TrackFormat::wandb},
                                      {"tensorboard", TrackFormat::tensorboard},
                                      {"jsonl", TrackFormat::jsonl}};
  return all;
}

template <>
const Words<MethodChoice>& words<MethodChoice>() {
  static const Words<MethodChoice> all = method_words();
  return all;
}

template <>
const Words<muon::AdjustLr>& words<muon::AdjustLr>() {
  static const Words<muon::AdjustLr> all = library_words<muon::AdjustLr>();
  return all;
}

template <>
const Words<muon::track::Log>& words<muon::track::Log>() {
  using muon::track::Log;
  static const Words<Log> all{
      {"gradients", Log::gradients}, {"parameters", Log::parameters}, {"all", Log::all}};
  return all;
}

template <>
const Words<c10::ScalarType>& words<c10::ScalarType>() {
  static const Words<c10::ScalarType> all{{"float32", c10::ScalarType::Float},
                                          {"float64", c10::ScalarType::Double},
                                          {"bfloat16", c10::ScalarType::BFloat16}};
  return all;
}

}  // namespace cli
