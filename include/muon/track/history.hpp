// muon/track/history.hpp: reads runs from W&B's offline files, TensorBoard's event files and this
// library's JSON lines.
//
//     muon::track::History history("runs/a");   // a file, or a folder that holds such files
//     history.read();                           // call it again to read what has been added since
//     for (const auto& [name, series] : history.series()) ...
//
// Damage   A file may end inside a record, as the file of a running or killed run does; the rest is
//          read once it has been written. A record with a wrong checksum ends the reading of its
//          file, and `problems` says where.
// Cost     every file is read once, in pieces of 1 MiB; series (24 bytes per value), names and the
//          config stay in memory
// Safety   not for several threads at once; the files may be written meanwhile
#pragma once

#include <muon/export.hpp>
#include <muon/track/record.hpp>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace muon::track {

class MUON_API History {
 public:
  /// Finds the files of a run and reads nothing yet. In a folder, the newest run in it or up to
  /// three levels below it is taken.
  /// Errors   std::runtime_error: `path` does not exist or holds no run
  explicit History(const std::filesystem::path& path);
  ~History();
  History(History&&) noexcept;

  /// Reads what has been added to the files since the last call. Returns true if there was
  /// anything.
  bool read();

  [[nodiscard]] std::string id() const;
  [[nodiscard]] std::string project() const;
  [[nodiscard]] std::string name() const;
  /// The entries of the config as JSON text. An entry of a nested object is named "object/entry".
  [[nodiscard]] const std::map<std::string, std::string>& config() const;
  /// Every metric that is a number. Names that begin with "_", such as W&B's own, are left out.
  [[nodiscard]] const std::map<std::string, Series>& series() const;
  /// How often each histogram or text was logged.
  [[nodiscard]] const std::map<std::string, std::int64_t>& others() const;
  /// Empty until the run has finished.
  [[nodiscard]] std::optional<int> exit_code() const;
  [[nodiscard]] std::vector<std::filesystem::path> files() const;
  /// Damage that was found, one text per file.
  [[nodiscard]] std::vector<std::string> problems() const;

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace muon::track
