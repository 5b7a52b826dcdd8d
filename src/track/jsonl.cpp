#include <muon/track/jsonl.hpp>

#include "files/folders.hpp"
#include "files/record_file.hpp"
#include "track/formats/reserved_names.hpp"
#include "track/formats/seconds.hpp"
#include "track/formats/value_json.hpp"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>

namespace muon::track {
namespace {

class Jsonl : public Sink {
 public:
  explicit Jsonl(std::filesystem::path file) : file_(std::move(file)) {}

  std::string name() const override { return "jsonl"; }

  void start(const RunInfo& info, const Object& config) override {
    if (file_.empty()) file_ = info.dir / fmt::format("{}-{}.jsonl", info.stamp, info.id);
    make_folders(file_.parent_path());
    lines_.emplace(file_);
    const Object run{{"id", info.id},
                     {"project", info.project},
                     {"name", info.name},
                     {"start", seconds_since_1970(info.start)}};
    line({{"run", run}, {"config", config}});
  }

  void config(const Object&, const Object& config) override { line({{"config", config}}); }

  void row(const Row& row) override {
    Object entries{{step_name, row.step},
                   {timestamp_name, seconds_since_1970(row.time)},
                   {runtime_name, row.runtime}};
    for (const auto& [name, value] : row.values) {
      if (!is_reserved(name)) entries.emplace_back(name, value);
    }
    line(entries);
  }

  void system(const Row& row) override {
    line({{"system", row.values}, {timestamp_name, seconds_since_1970(row.time)}});
  }

  void finish(int exit_code, const Row& last) override {
    line({{"exit", exit_code}, {timestamp_name, seconds_since_1970(last.time)}});
    lines_.reset();
  }

  std::filesystem::path path() const override { return file_; }

 private:
  void line(const Object& entries) {
    lines_->append(json_text(Value(entries), NonFinite::quoted) + "\n");
  }

  std::filesystem::path file_;
  std::optional<RecordFile> lines_;
};

}  // namespace

std::shared_ptr<Sink> jsonl(std::filesystem::path file) {
  return std::make_shared<Jsonl>(std::move(file));
}

}  // namespace muon::track
