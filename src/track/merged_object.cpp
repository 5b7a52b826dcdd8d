#include "track/merged_object.hpp"

#include "track/formats/utf8.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <utility>
#include <variant>
#include <vector>

namespace muon::track {
namespace {

void check(const Histogram& histogram) {
  const std::vector<double>& edges = histogram.edges;
  const std::vector<std::int64_t>& counts = histogram.counts;
  if (edges.size() != counts.size() + (counts.empty() ? 0 : 1))
    throw std::invalid_argument(
        fmt::format("[track] a histogram of {} counts needs {} edges; got {}", counts.size(),
                    counts.size() + 1, edges.size()));
  if (!std::all_of(edges.begin(), edges.end(), [](double edge) { return std::isfinite(edge); }) ||
      !std::is_sorted(edges.begin(), edges.end()))
    throw std::invalid_argument("[track] the edges of a histogram must be finite and ascending");
  const auto negative =
      std::find_if(counts.begin(), counts.end(), [](std::int64_t count) { return count < 0; });
  if (negative != counts.end())
    throw std::invalid_argument(
        fmt::format("[track] the counts of a histogram must not be negative; got {}", *negative));
}

Value valid_value(const Value& value) {
  if (const auto* const text = std::get_if<std::string>(&value.get())) return valid_utf8(*text);
  if (const auto* const histogram = std::get_if<Histogram>(&value.get())) check(*histogram);
  if (const auto* const list = std::get_if<List>(&value.get())) {
    List result;
    result.reserve(list->size());
    for (const Value& item : *list) result.push_back(valid_value(item));
    return result;
  }
  if (const auto* const object = std::get_if<Object>(&value.get())) {
    Object result;
    ObjectIndex().merge(result, valid(*object));
    return result;
  }
  return value;
}

}  // namespace

Object valid(const Object& object) {
  Object result;
  result.reserve(object.size());
  for (const auto& [name, value] : object)
    result.emplace_back(valid_utf8(name), valid_value(value));
  return result;
}

void ObjectIndex::merge_value(Value& into, const Value& from, Entry& entry) {
  const auto* const before = std::get_if<Object>(&into.get());
  const auto* const after = std::get_if<Object>(&from.get());
  if (before == nullptr || after == nullptr) {
    entry.inner.reset();
    into = from;
    return;
  }
  if (entry.inner == nullptr) {
    entry.inner = std::make_unique<ObjectIndex>();
    for (std::size_t i = 0; i < before->size(); ++i)
      entry.inner->entries_.emplace((*before)[i].first, Entry{i, nullptr});
  }
  Object both = std::get<Object>(std::move(into).get());
  entry.inner->merge(both, *after);
  into = std::move(both);
}

void ObjectIndex::merge(Object& into, const Object& from) {
  for (const auto& [name, value] : from) {
    if (const auto known = entries_.find(name); known != entries_.end()) {
      merge_value(into[known->second.position].second, value, known->second);
    } else {
      into.emplace_back(name, value);
      entries_.emplace(name, Entry{into.size() - 1, nullptr});
    }
  }
}

void MergedObject::clear() {
  values_.clear();
  index_.clear();
}

Object MergedObject::entries_named_in(const Object& values) const {
  std::vector<std::size_t> positions;
  positions.reserve(values.size());
  for (const auto& [name, value] : values) positions.push_back(index_.position(name));
  std::sort(positions.begin(), positions.end());
  positions.erase(std::unique(positions.begin(), positions.end()), positions.end());
  Object entries;
  entries.reserve(positions.size());
  for (const std::size_t position : positions) entries.push_back(values_[position]);
  return entries;
}

}  // namespace muon::track
