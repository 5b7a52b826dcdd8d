#include "cli/choices.hpp"

#include <initializer_list>

namespace cli {
namespace {

/// The library's own words, by its `to_string`.
template <class E>
Words<E> words_of(std::initializer_list<E> values) {
  Words<E> result;
  for (const E value : values) result.emplace_back(to_string(value), value);
  return result;
}

Words<MethodChoice> method_words() {
  using muon::Method;
  Words<MethodChoice> result{{to_string(Method::automatic), MethodChoice{Method::automatic}},
                             {"jordan", MethodChoice{Method::newton_schulz}},
                             {"polar_express", MethodChoice{Method::newton_schulz, true}}};
  for (const auto& [word, method] : words_of({Method::dwh2, Method::zolotarev2, Method::zolotarev3}))
    result.emplace_back(word, MethodChoice{method});
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
  static const Words<ScheduleKind> all{
      {"constant", ScheduleKind::constant}, {"cosine", ScheduleKind::cosine}, {"wsd", ScheduleKind::wsd}};
  return all;
}

template <>
const Words<TrackFormat>& words<TrackFormat>() {
  static const Words<TrackFormat> all{
      {"wandb", TrackFormat::wandb}, {"tensorboard", TrackFormat::tensorboard}, {"jsonl", TrackFormat::jsonl}};
  return all;
}

template <>
const Words<MethodChoice>& words<MethodChoice>() {
  static const Words<MethodChoice> all = method_words();
  return all;
}

template <>
const Words<muon::AdjustLr>& words<muon::AdjustLr>() {
  using muon::AdjustLr;
  static const Words<AdjustLr> all = words_of({AdjustLr::original, AdjustLr::match_rms_adamw, AdjustLr::spectral_unclamped});
  return all;
}

template <>
const Words<muon::track::Log>& words<muon::track::Log>() {
  using muon::track::Log;
  static const Words<Log> all{{"gradients", Log::gradients}, {"parameters", Log::parameters}, {"all", Log::all}};
  return all;
}

template <>
const Words<c10::ScalarType>& words<c10::ScalarType>() {
  static const Words<c10::ScalarType> all{
      {"float32", c10::ScalarType::Float}, {"float64", c10::ScalarType::Double}, {"bfloat16", c10::ScalarType::BFloat16}};
  return all;
}

}  // namespace cli
