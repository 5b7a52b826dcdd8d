// A plan as Python: parameter groups for torch.optim.Muon and torch.optim.AdamW, ready to paste.
#pragma once

#include <muon/plan/plan.hpp>

#include <string>

namespace cli {

/// What torch.optim.Muon cannot do (anything but two dimensions; parts of a fused matrix) is said
/// in comments.
std::string python_groups(const muon::Plan& plan, const std::string& source);

}  // namespace cli
