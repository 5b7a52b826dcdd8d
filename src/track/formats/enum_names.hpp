// The names of the enumerators of metric definitions, those of W&B; see enums/enum_name.hpp.
#pragma once

#include <muon/track/record.hpp>

#include "enums/enum_name.hpp"

#include <array>

namespace muon {

template <>
inline constexpr auto enum_names<track::MetricSummary> =
    std::to_array<EnumName<track::MetricSummary>>({{track::MetricSummary::min, "min"},
                                                   {track::MetricSummary::max, "max"},
                                                   {track::MetricSummary::mean, "mean"},
                                                   {track::MetricSummary::best, "best"},
                                                   {track::MetricSummary::last, "last"},
                                                   {track::MetricSummary::first, "first"},
                                                   {track::MetricSummary::none, "none"},
                                                   {track::MetricSummary::copy, "copy"}});
template <>
inline constexpr auto enum_names<track::MetricGoal> = std::to_array<EnumName<track::MetricGoal>>(
    {{track::MetricGoal::minimize, "minimize"}, {track::MetricGoal::maximize, "maximize"}});

}  // namespace muon
