// The names of enumerators: one table for each enumeration, for to_string, files and the command
// line. Each folder has its tables in its own enum_names.hpp.
#pragma once

#include <array>
#include <optional>
#include <string_view>

namespace muon {

template <class Enum>
struct EnumName {
  Enum value;
  std::string_view name;
};

/// Specialized for each enumeration: an array of EnumName.
template <class Enum>
inline constexpr auto enum_names = nullptr;

/// "unknown" for a value that is not an enumerator.
template <class Enum>
constexpr std::string_view name_of(Enum value) {
  for (const auto& entry : enum_names<Enum>) {
    if (entry.value == value) return entry.name;
  }
  return "unknown";
}

/// False for a number that was cast to the enumeration and is none of its values.
template <class Enum>
constexpr bool is_enumerator(Enum value) {
  for (const auto& entry : enum_names<Enum>) {
    if (entry.value == value) return true;
  }
  return false;
}

template <class Enum>
constexpr std::optional<Enum> from_name(std::string_view name) {
  for (const auto& entry : enum_names<Enum>) {
    if (entry.name == name) return entry.value;
  }
  return std::nullopt;
}

}  // namespace muon
