// The machine a run is on.
#pragma once

#include <muon/track/value.hpp>

#include <string>

namespace muon::track {

/// "localhost" if the machine has no name.
std::string host_name();

/// Metrics of this process and machine under W&B's names. "cpu" is the process's share of processor
/// time since the last read, or since construction.
class SystemMetrics {
 public:
  SystemMetrics();
  Object read();

 private:
  double processor_seconds_, at_;
};

}  // namespace muon::track
