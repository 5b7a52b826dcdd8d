// The machine a run is on.
#pragma once

#include <muon/track/value.hpp>

#include <string>

namespace muon::track {

/// "localhost" where it has no name.
std::string host_name();

/// Figures of this process and machine, under W&B's names. The share of the processor is of the time since the call before.
class SystemFigures {
 public:
  Object read();

 private:
  double processor_seconds_ = 0, at_ = 0;
};

}  // namespace muon::track
