// The names of the plan's enumerators; see enums/enum_name.hpp.
#pragma once

#include <muon/plan/options.hpp>
#include <muon/plan/parameter.hpp>

#include "enums/enum_name.hpp"
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
template <>
inline constexpr auto enum_names<Role> =
    std::to_array<EnumName<Role>>({{Role::embedding, "embedding"},
                                   {Role::output_head, "output head"},
                                   {Role::hidden_matrix, "hidden matrix"},
                                   {Role::convolution, "convolution"},
                                   {Role::bias, "bias"},
                                   {Role::gain, "gain"},
                                   {Role::other, "other"}});
template <>
inline constexpr auto enum_names<Evidence> =
    std::to_array<EnumName<Evidence>>({{Evidence::tie, "tie"},
                                       {Evidence::module_type, "module type"},
                                       {Evidence::name, "name"},
                                       {Evidence::position, "position"},
                                       {Evidence::shape, "shape"}});

}  // namespace muon
