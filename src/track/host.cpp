#include "host.hpp"

#include "formats/utf8.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace muon::track {
namespace {

double seconds(const timeval& time) { return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec); }

/// A line "Name:   123 kB" of a file in /proc, in bytes; 0 if it has none.
double bytes_of(const char* file, const std::string& name) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(name + ":")) return 1024 * std::strtod(line.c_str() + name.size() + 1, nullptr);
  }
  return 0;
}

}  // namespace

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "localhost";
  return valid_utf8(name.data());
}

Object SystemFigures::read() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const double used = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  const double now = std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  Object figures;
  if (at_ > 0 && now > at_) figures.emplace_back("cpu", 100 * (used - processor_seconds_) / (now - at_));
  processor_seconds_ = used;
  at_ = now;
  const double total = bytes_of("/proc/meminfo", "MemTotal"), available = bytes_of("/proc/meminfo", "MemAvailable");
  if (total > 0) figures.emplace_back("memory_percent", 100 * (total - available) / total);
  if (const double resident = bytes_of("/proc/self/status", "VmRSS"); resident > 0)
    figures.emplace_back("proc.memory.rssMB", resident / (1024 * 1024));
  std::error_code error;
  const std::filesystem::directory_iterator threads("/proc/self/task", error);
  if (!error)
    figures.emplace_back("proc.cpu.threads", std::distance(std::filesystem::begin(threads), std::filesystem::end(threads)));
  return figures;
}

}  // namespace muon::track
