// The words that the command line accepts for choices, each list in one place.
#pragma once

#include <muon/plan/options.hpp>
#include <muon/track/watch.hpp>

#include <c10/core/ScalarType.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cli {

enum class OptimizerKind { muon, adamw, sgd };
enum class ScheduleKind { constant, cosine, wsd };
enum class TrackFormat { wandb, tensorboard, jsonl };

/// The library's methods, with a word for each of the two lists of Newton-Schulz coefficients.
struct MethodChoice {
  muon::Method method = muon::Method::automatic;
  bool polar_express = false;  ///< Newton-Schulz with these coefficients instead of Jordan's

  void set(muon::MuonOptions& options) const;
  friend bool operator==(const MethodChoice&, const MethodChoice&) = default;
};

template <class T>
using Words = std::vector<std::pair<std::string_view, T>>;

/// The words for a type, in the order in which the help lists them. Specialized for each type
/// below.
template <class T>
const Words<T>& words();
template <>
const Words<OptimizerKind>& words<OptimizerKind>();
template <>
const Words<ScheduleKind>& words<ScheduleKind>();
template <>
const Words<TrackFormat>& words<TrackFormat>();
template <>
const Words<MethodChoice>& words<MethodChoice>();
template <>
const Words<muon::AdjustLr>& words<muon::AdjustLr>();
template <>
const Words<muon::track::Log>& words<muon::track::Log>();
template <>
const Words<c10::ScalarType>& words<c10::ScalarType>();

template <class T>
std::vector<std::string> all_words() {
  std::vector<std::string> result;
  for (const auto& [word, value] : words<T>()) result.emplace_back(word);
  return result;
}

template <class T>
std::string word_of(const T& value) {
  for (const auto& [word, each] : words<T>()) {
    if (each == value) return std::string(word);
  }
  throw std::logic_error("a value without a word on the command line");
}

template <class T>
std::optional<T> from_word(std::string_view word) {
  for (const auto& [each, value] : words<T>()) {
    if (each == word) return value;
  }
  return std::nullopt;
}

}  // namespace cli
