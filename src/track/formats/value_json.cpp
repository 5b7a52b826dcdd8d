#include "track/formats/value_json.hpp"

#include "track/formats/utf8.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <stdexcept>

namespace muon::track {
namespace {

/// A call for each kind of value.
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

Value valid_value(const Value& value) {
  return std::visit(Kinds{[](const std::string& text) { return Value(valid_utf8(text)); },
                          [&](const Histogram& histogram) {
                            if (histogram.edges.size() != histogram.counts.size() + (histogram.counts.empty() ? 0 : 1))
                              throw std::invalid_argument(fmt::format("[track] a histogram of {} counts needs {} edges; got {}",
                                                                      histogram.counts.size(), histogram.counts.size() + 1,
                                                                      histogram.edges.size()));
                            return value;
                          },
                          [](const List& list) {
                            List result;
                            for (const Value& item : list) result.push_back(valid_value(item));
                            return Value(std::move(result));
                          },
                          [](const Object& object) {
                            Object result;
                            merge(result, valid(object));
                            return Value(std::move(result));
                          },
                          [&](const auto&) { return value; }},
                    value.get());
}

void walk(const Object& object, Path& path, const std::function<void(const Path&, const Value&)>& leaf) {
  for (const auto& [name, value] : object) {
    path.push_back(name);
    const auto* const inner = std::get_if<Object>(&value.get());
    if (inner != nullptr && !inner->empty()) {
      walk(*inner, path, leaf);
    } else {
      leaf(path, value);
    }
    path.pop_back();
  }
}

}  // namespace

std::string json_text(double value, NonFinite non_finite) {
  if (!std::isfinite(value)) {
    const char* const word = std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
    return non_finite == NonFinite::bare ? word : fmt::format("\"{}\"", word);
  }
  std::array<char, 32> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  return {digits.data(), end};
}

std::string json_text(const Value& value, NonFinite non_finite) {
  const auto text = [&](const Value& inner) { return json_text(inner, non_finite); };
  return std::visit(
      Kinds{[](std::monostate) { return std::string("null"); }, [](bool truth) { return std::string(truth ? "true" : "false"); },
            [](std::int64_t number) { return std::to_string(number); },
            [&](double number) { return json_text(number, non_finite); }, [](const std::string& t) { return quoted(t); },
            [&](const Histogram& histogram) { return text(histogram_object(histogram)); },
            [&](const List& list) { return between('[', list, ']', text); },
            [&](const Object& object) {
              return between('{', object, '}', [&](const auto& entry) { return quoted(entry.first) + ":" + text(entry.second); });
            }},
      value.get());
}

Object histogram_object(const Histogram& histogram) {
  return {{"_type", "histogram"},
          {"values", List(histogram.counts.begin(), histogram.counts.end())},
          {"bins", List(histogram.edges.begin(), histogram.edges.end())}};
}

void for_each_leaf(const Object& object, const std::function<void(const Path&, const Value&)>& leaf) {
  Path path;
  walk(object, path, leaf);
}

std::string joined(const Path& path, std::string_view between) { return fmt::format("{}", fmt::join(path, between)); }

std::optional<double> number_of(const Value& value) {
  if (const auto* const truth = std::get_if<bool>(&value.get())) return *truth ? 1 : 0;
  if (const auto* const integer = std::get_if<std::int64_t>(&value.get())) return static_cast<double>(*integer);
  if (const auto* const real = std::get_if<double>(&value.get())) return *real;
  return std::nullopt;
}

Object valid(const Object& object) {
  Object result;
  result.reserve(object.size());
  for (const auto& [name, value] : object) result.emplace_back(valid_utf8(name), valid_value(value));
  return result;
}

void put(Value& into, const Value& from) {
  const auto* const before = std::get_if<Object>(&into.get());
  const auto* const after = std::get_if<Object>(&from.get());
  if (before == nullptr || after == nullptr) {
    into = from;
    return;
  }
  Object both = *before;
  merge(both, *after);
  into = std::move(both);
}

void merge(Object& into, const Object& from) {
  for (const auto& [name, value] : from) {
    const auto known = std::find_if(into.begin(), into.end(), [&, &wanted = name](const auto& entry) { return entry.first == wanted; });
    if (known == into.end()) {
      into.emplace_back(name, value);
    } else {
      put(known->second, value);
    }
  }
}

}  // namespace muon::track
