#include "track/host.hpp"

#include "track/formats/utf8.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace muon::track {
namespace {

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
}

/// Processor time of this process, summed over all processors.
double processor_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Reads a line "Name:   123 kB" of a file in /proc as bytes; 0 if there is none.
double bytes_of(const char* file, const std::string& name) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(name + ":"))
      return 1024 * std::strtod(line.c_str() + name.size() + 1, nullptr);
  }
  return 0;
}

}  // namespace

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "localhost";
  return valid_utf8(name.data());
}

SystemMetrics::SystemMetrics() : processor_seconds_(processor_seconds()), at_(now()) {}

Object SystemMetrics::read() {
  const double used = processor_seconds(), time = now();
  Object metrics{{"cpu", 100 * (used - processor_seconds_) / std::max(time - at_, 1e-9)}};
  processor_seconds_ = used;
  at_ = time;
  const double total = bytes_of("/proc/meminfo", "MemTotal"),
               available = bytes_of("/proc/meminfo", "MemAvailable");
  if (total > 0) metrics.emplace_back("memory_percent", 100 * (total - available) / total);
  if (const double resident = bytes_of("/proc/self/status", "VmRSS"); resident > 0)
    metrics.emplace_back("proc.memory.rssMB", resident / (1024 * 1024));
  std::error_code error;
  std::int64_t threads = 0;
  for (std::filesystem::directory_iterator thread("/proc/self/task", error), end;
       !error && thread != end; thread.increment(error))
    ++threads;
  if (threads > 0) metrics.emplace_back("proc.cpu.threads", threads);
  return metrics;
}

}  // namespace muon::track
