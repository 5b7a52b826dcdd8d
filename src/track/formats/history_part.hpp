// The content of a run's files in any format. Does not use LibTorch.
#pragma once

#include <muon/track/record.hpp>

#include "track/formats/run_files.hpp"
#include "track/formats/value_json.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace muon::track {

struct Content {
  std::string id, project, name;
  std::map<std::string, std::string> config;
  std::map<std::string, Series> series;
  std::map<std::string, std::int64_t> others;
  std::optional<int> exit_code;

  /// A later file comes from a resumed run and replaces the steps that it repeats.
  void add(std::size_t file, const std::string& metric, std::int64_t step, double value,
           double time);
  /// Adds a leaf of a row, as JSON.
  void add_json(std::size_t file, const Path& path, const std::string& json, std::int64_t step,
                double time);

 private:
  std::map<std::string, std::size_t> part_of_;  // the file that added to a series last
};

/// One file of a run, to which bytes are fed as they are read.
class Part {
 public:
  virtual ~Part() = default;
  virtual void feed(const std::string& bytes) = 0;
  /// Adds the next record to `content`; returns false if there is none yet.
  /// Errors   std::runtime_error without the file's name: the file is damaged
  virtual bool next(Content& content) = 0;
};

/// `index` is the number of the file in its run.
std::unique_ptr<Part> make_part(Format format, std::size_t index);

}  // namespace muon::track
