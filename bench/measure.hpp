// Times of several ways to do one thing, taken in turn in one run: whatever else the machine does,
// it does to all of them.
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

namespace bench {

inline double seconds(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

inline double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1) + 0.5)];
}
inline double median(const std::vector<double>& values) { return quantile(values, 0.5); }

/// Samples of the subject and of what it is compared with, pair by pair.
struct Pairs {
  std::vector<double> subject, other;

  /// How many times faster the subject is: median and quartiles of the pairs' ratios.
  double ratio(double q = 0.5) const {
    std::vector<double> ratios;
    for (std::size_t i = 0; i < subject.size(); ++i) ratios.push_back(other[i] / subject[i]);
    return quantile(ratios, q);
  }
};

/// Runs subject and other in turn as often as the benchmark asks; the subject's time is the
/// benchmark's. Every benchmark here uses UseManualTime.
inline Pairs take_turns(benchmark::State& state, const std::function<void()>& subject,
                        const std::function<void()>& other) {
  subject();  // the first call allocates
  other();
  Pairs pairs;
  for (auto _ : state) {
    pairs.other.push_back(seconds(other));
    pairs.subject.push_back(seconds(subject));
    state.SetIterationTime(pairs.subject.back());
  }
  return pairs;
}

/// "ratio_to_<name>" and its quartiles.
inline void report_ratio(benchmark::State& state, const std::string& name, const Pairs& pairs) {
  state.counters["ratio_to_" + name] = pairs.ratio();
  state.counters["q1"] = pairs.ratio(0.25);
  state.counters["q3"] = pairs.ratio(0.75);
  state.counters["median_ms"] = 1e3 * median(pairs.subject);
}

/// A line of /proc/self/status, in MiB: "VmRSS" now, "VmHWM" the peak.
inline double memory_mib(const std::string& line) {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    double kib = 0;
    if (word == line + ":" && status >> kib) return kib / 1024;
  }
  return 0;
}

/// Sets the peak back to what is used now.
inline void reset_peak() { std::ofstream("/proc/self/clear_refs") << "5"; }

}  // namespace bench
