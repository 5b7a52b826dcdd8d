// The names of the enumerators of orthogonalization; see enums/enum_name.hpp.
#pragma once

#include <muon/matrix/orthogonalize.hpp>

#include "enums/enum_name.hpp"

#include <array>

namespace muon {

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

}  // namespace muon
