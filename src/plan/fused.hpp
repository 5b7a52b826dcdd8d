// Weights in which a network computes several projections by one product: queries, keys and values,
// or a gate and what it gates. Muon takes each projection as a matrix of its own.
#pragma once

#include <muon/plan/parameter.hpp>

#include "plan/name_parts.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace muon {

/// Whether the layer's name alone says that queries, keys and values are in one weight: "qkv",
/// "Wqkv", "c_attn". Others say so only together with a shape of three times as many rows as
/// columns.
bool is_fused_attention(std::string_view layer);

/// Gives a hidden matrix that is called like a fused weight the view of its parts, and says so in
/// its reason. A cut that names and shape do not settle gets low confidence. `queries`: how many
/// rows are queries, where the output projection beside the weight tells.
void split_fused(Parameter& parameter, const NameParts& name, std::optional<std::int64_t> queries);

}  // namespace muon
