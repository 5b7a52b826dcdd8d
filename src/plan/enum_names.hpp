// The names of the plan's enumerators; see matrix/enum_names.hpp.
#pragma once

#include <muon/plan/options.hpp>

#include "matrix/enum_names.hpp"

#include <array>

namespace muon {

template <>
inline constexpr auto enum_names<AdjustLr> =
    std::to_array<EnumName<AdjustLr>>({{AdjustLr::original, "original"},
                                       {AdjustLr::match_rms_adamw, "match_rms_adamw"},
                                       {AdjustLr::spectral_unclamped, "spectral_unclamped"}});
template <>
inline constexpr auto enum_names<Algorithm> = std::to_array<EnumName<Algorithm>>(
    {{Algorithm::muon, "muon"}, {Algorithm::adamw, "adamw"}, {Algorithm::frozen, "frozen"}});

}  // namespace muon
