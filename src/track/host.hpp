// The machine a run is on.
#pragma once

#include <muon/track/value.hpp>

#include <string>

namespace muon::track {

/// "localhost" where it has no name.
std::string host_name();

/// Figures of this process and machine, under W&B's names. The share of the processor is of the time since the read before, or
/// since it was made.
class SystemMetrics {
 public:
  SystemMetrics();
  Object read();

 private:
  double processor_seconds_, at_;
};

}  // namespace muon::track
