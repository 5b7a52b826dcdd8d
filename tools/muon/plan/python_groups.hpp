// A plan as Python: parameter groups for torch.optim.Muon and torch.optim.AdamW, ready to paste.
#pragma once

#include <muon/plan/plan.hpp>

#include <string>

namespace cli {

/// Comments say what torch.optim.Muon cannot do (other than two dimensions; parts of a fused
/// matrix).
std::string python_groups(const muon::Plan& plan, const std::string& source);

}  // namespace cli
