// Which matrices each parameter of a model holds.
#pragma once

#include "plan/entry.hpp"

#include <vector>

namespace muon {

/// Sets the views, by the modules' types where they are known, else by names; what is not sure is
/// said in the reason and lowers the confidence.
void set_views(std::vector<Entry>& entries);

}  // namespace muon
