// muon/track/history.hpp: runs read back, from W&B's offline files, TensorBoard's event files and our JSON lines.
//
//     muon::track::History history("runs/a");   // a file, or a folder with such files
//     history.read();                           // again: what has been written since
//     for (const auto& [name, series] : history.series()) ...
//
// Damage   A file may end inside a record, as that of a running or killed run does: the rest is read when it is there. A record
//          whose checksum is wrong ends the reading of its file; `problems` tells where.
// Cost     a file is read once, in parts; numbers (24 bytes each), names and the config stay in memory
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace muon::track {

/// One metric.
struct Series {
  std::vector<std::int64_t> steps;
  std::vector<double> values;  ///< may be NaN or infinite
  std::vector<double> times;   ///< seconds since 1970; NaN where unknown
};

class History {
 public:
  /// Errors   std::runtime_error: nothing there, or nothing that is a run
  explicit History(const std::filesystem::path& path);
  ~History();
  History(History&&) noexcept;

  /// What has been added to the files since the last time; true if there was anything.
  bool read();

  std::string id() const;
  std::string project() const;
  std::string name() const;
  /// The config's leaves and their JSON texts, named "a/b" in objects.
  const std::map<std::string, std::string>& config() const;
  /// Of every scalar; names that begin with "_", as W&B's own do, are left out.
  const std::map<std::string, Series>& series() const;
  /// Metrics that are histograms or texts, and how often they were logged.
  const std::map<std::string, std::int64_t>& others() const;
  /// Set when the run has finished.
  std::optional<int> exit_code() const;
  std::vector<std::filesystem::path> files() const;
  std::vector<std::string> problems() const;

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace muon::track
