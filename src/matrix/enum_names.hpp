// The names of enumerators, one table for each enumeration, for to_string, files and the command
// line.
#pragma once

#include <muon/matrix/orthogonalize.hpp>

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

template <>
inline constexpr auto enum_names<Method> =
    std::to_array<EnumName<Method>>({{Method::automatic, "automatic"},
                                     {Method::newton_schulz, "newton_schulz"},
                                     {Method::dwh2, "dwh2"},
                                     {Method::zolotarev2, "zolotarev2"},
                                     {Method::zolotarev3, "zolotarev3"}});
template <>
inline constexpr auto enum_names<NormBound> =
    std::to_array<EnumName<NormBound>>({{NormBound::frobenius, "frobenius"},
                                        {NormBound::schatten4, "schatten4"},
                                        {NormBound::schatten8, "schatten8"}});
template <>
inline constexpr auto enum_names<NormEps> =
    std::to_array<EnumName<NormEps>>({{NormEps::clamp, "clamp"}, {NormEps::add, "add"}});
template <>
inline constexpr auto enum_names<ComputeDtype> =
    std::to_array<EnumName<ComputeDtype>>({{ComputeDtype::automatic, "automatic"},
                                           {ComputeDtype::float32, "float32"},
                                           {ComputeDtype::float64, "float64"},
                                           {ComputeDtype::bfloat16, "bfloat16"}});

/// "unknown" for a value that is not an enumerator.
template <class Enum>
constexpr std::string_view name_of(Enum value) {
  for (const auto& entry : enum_names<Enum>) {
    if (entry.value == value) return entry.name;
  }
  return "unknown";
}

template <class Enum>
constexpr std::optional<Enum> from_name(std::string_view name) {
  for (const auto& entry : enum_names<Enum>) {
    if (entry.name == name) return entry.value;
  }
  return std::nullopt;
}

}  // namespace muon
