#include "plan/repetition.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace muon {
namespace {

/// The name without the numbers of blocks. Those of the layer itself stay, unless `any_number`.
std::string without_numbers(std::string_view name, bool any_number) {
  const auto parts = components(owner_path(name));
  std::string key;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const bool block = ends_in_digit(parts[i]) && (any_number || i + 1 < parts.size());
    key += fmt::format("{}{}.", block ? stem(parts[i]) : parts[i], block ? "#" : "");
  }
  return key.append(local_name(name));
}

std::vector<std::string> numbers_in(std::string_view name) {
  std::vector<std::string> numbers;
  for (const std::string_view part : components(name)) {
    if (ends_in_digit(part)) numbers.emplace_back(part.substr(stem(part).size()));
  }
  return numbers;
}

std::string block_key(const Parameter& p) {
  return fmt::format("{} {}", without_numbers(p.name, false), fmt::join(p.shape, "x"));
}

}  // namespace

void Repetition::add(const Entry& entry) {
  ++in_blocks_[block_key(entry.parameter)];
  by_name_[without_numbers(entry.parameter.name, true)].push_back(&entry);
  if (entry.name().sequence.empty()) return;
  Sequence& sequence = sequences_[entry.name().sequence];
  if (sequence.length++ == 0 || number_less(sequence.last, entry.name().numbers))
    sequence.last = entry.name().numbers;
}

bool Repetition::repeats(const Entry& entry) const {
  const auto found = in_blocks_.find(block_key(entry.parameter));
  return found != in_blocks_.end() && found->second > 1;
}

bool Repetition::ends_sequence(const Entry& entry) const {
  const auto found = sequences_.find(entry.name().sequence);
  return found == sequences_.end() || found->second.last == entry.name().numbers;
}

std::size_t Repetition::length_of_sequence(const Entry& entry) const {
  const auto found = sequences_.find(entry.name().sequence);
  return found == sequences_.end() ? 1 : found->second.length;
}

bool Repetition::is_in_last_block(const Entry& entry) const {
  const Parameter& p = entry.parameter;
  const auto found = by_name_.find(without_numbers(p.name, true));
  if (found == by_name_.end() || found->second.size() < 2) return false;
  const auto mine = numbers_in(p.name);
  return std::all_of(found->second.begin(), found->second.end(), [&](const Entry* other) {
    return other == &entry || (other->parameter.shape != p.shape &&
                               number_less(numbers_in(other->parameter.name), mine));
  });
}

}  // namespace muon
