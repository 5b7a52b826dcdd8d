// Times as files store them.
#pragma once

#include <muon/track/record.hpp>

#include <chrono>

namespace muon::track {

inline double seconds_since_1970(Time time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

}  // namespace muon::track
