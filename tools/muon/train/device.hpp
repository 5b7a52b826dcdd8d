// --device.
#pragma once

#include <torch/types.h>

#include <string>

namespace cli {

/// Errors   UsageError: an unknown device, or one that this machine does not have.
torch::Device parse_device(const std::string& text);

}  // namespace cli
