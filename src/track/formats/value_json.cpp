#include "track/formats/value_json.hpp"

#include "track/formats/non_finite.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <variant>

namespace muon::track {
namespace {

/// One overload for each kind of value.
template <class... F>
struct Kinds : F... {
  using F::operator()...;
};
template <class... F>
Kinds(F...) -> Kinds<F...>;

std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

template <class Items, class Text>
std::string between(char open, const Items& items, char close, const Text& text) {
  std::string result(1, open);
  for (const auto& item : items) {
    if (result.size() > 1) result += ',';
    result += text(item);
  }
  return result + close;
}

void add_leaves(const Object& object, Path& path, Leaves& leaves) {
  for (const auto& [name, value] : object) {
    path.push_back(name);
    const auto* const inner = std::get_if<Object>(&value.get());
    if (inner != nullptr && !inner->empty()) {
      add_leaves(*inner, path, leaves);
    } else {
      leaves.push_back({path, &value});
    }
    path.pop_back();
  }
}

}  // namespace

std::string json_text(double value, NonFinite non_finite) {
  if (!std::isfinite(value)) {
    const std::string word = non_finite_word(value);
    return non_finite == NonFinite::bare ? word : '"' + word + '"';
  }
  std::array<char, 32> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  return {digits.data(), end};
}

std::string json_text(const Value& value, NonFinite non_finite) {
  const auto text = [&](const Value& inner) { return json_text(inner, non_finite); };
  return std::visit(
      Kinds{[](std::monostate) { return std::string("null"); },
            [](bool boolean) { return std::string(boolean ? "true" : "false"); },
            [](std::int64_t number) { return std::to_string(number); },
            [&](double number) { return json_text(number, non_finite); },
            [](const std::string& t) { return quoted(t); },
            [&](const Histogram& histogram) { return text(histogram_object(histogram)); },
            [&](const List& list) { return between('[', list, ']', text); },
            [&](const Object& object) {
              return between('{', object, '}', [&](const auto& entry) {
                return quoted(entry.first) + ":" + text(entry.second);
              });
            }},
      value.get());
}

Object histogram_object(const Histogram& histogram) {
  return {{"_type", "histogram"},
          {"values", List(histogram.counts.begin(), histogram.counts.end())},
          {"bins", List(histogram.edges.begin(), histogram.edges.end())}};
}

Leaves leaves_of(const Object& object) {
  Leaves leaves;
  leaves.reserve(object.size());
  Path path;
  add_leaves(object, path, leaves);
  return leaves;
}

std::string joined(const Path& path, std::string_view between) {
  return fmt::format("{}", fmt::join(path, between));
}

std::optional<double> number_of(const Value& value) {
  if (const auto* const boolean = std::get_if<bool>(&value.get())) return *boolean ? 1 : 0;
  if (const auto* const integer = std::get_if<std::int64_t>(&value.get()))
    return static_cast<double>(*integer);
  if (const auto* const real = std::get_if<double>(&value.get())) return *real;
  return std::nullopt;
}

}  // namespace muon::track
