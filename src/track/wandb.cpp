#include <muon/track/wandb.hpp>

#include "files/folders.hpp"
#include "files/record_file.hpp"
#include "track/formats/reserved_names.hpp"
#include "track/formats/seconds.hpp"
#include "track/formats/value_json.hpp"
#include "track/formats/wandb_log.hpp"
#include "track/formats/wandb_record.hpp"
#include "track/host.hpp"
#include "track/wandb_summary.hpp"

#include <muon/version.hpp>

#include <fmt/format.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <variant>
#include <vector>

namespace muon::track {
namespace {

namespace fs = std::filesystem;
namespace record = wandb_record;
using Items = std::vector<record::Item>;

/// <dir>/.wandb if it exists, else <dir>/wandb, as in Python.
fs::path runs_folder(const fs::path& dir) {
  return fs::is_directory(dir / ".wandb") ? dir / ".wandb" : dir / "wandb";
}

void make_new_folder(const fs::path& folder) {
  make_folders(folder.parent_path());
  std::error_code error;
  const bool made = fs::create_directory(folder, error);
  if (error)
    throw std::runtime_error(
        fmt::format("[track] {} cannot be created: {}", folder.string(), error.message()));
  if (!made)
    throw std::runtime_error(
        fmt::format("[track] {} already exists; give the run another id", folder.string()));
}

/// Creates wandb/latest-run, a link that `wandb leet` follows. Failures are ignored, since
/// everything else works without it.
void link_latest(const fs::path& folder) {
  const fs::path link = folder.parent_path() / "latest-run",
                 temporary = link.string() + "." + folder.filename().string();
  std::error_code error;
  fs::create_symlink(folder.filename(), temporary, error);
  if (!error) fs::rename(temporary, link, error);
  if (error) fs::remove(temporary, error);
}

/// Adds the entries that W&B itself adds to a row.
void add_reserved(Items& items, const Row& row) {
  items.push_back({{timestamp_name}, json_text(seconds_since_1970(row.time), NonFinite::bare)});
  items.push_back({{runtime_name}, json_text(row.runtime, NonFinite::bare)});
  items.push_back({{step_name}, std::to_string(row.step)});
}

/// Adds the run's duration, which only summaries have.
void add_duration(Items& items, const Row& row) {
  items.push_back({{"_wandb", "runtime"}, std::to_string(static_cast<std::int64_t>(row.runtime))});
}

/// Records that get the next numbers and are written to the file at once: all of them, or none, and
/// then the numbers are not used up.
class Batch {
 public:
  Batch(RecordFile& file, std::int64_t& last_number)
      : file_(file), last_number_(last_number), number_(last_number) {}
  /// `make` returns the record with a given number.
  template <class Make>
  Batch& add(const Make& make) {
    bytes_ += wandb_log::frame(make(++number_), file_.size() + bytes_.size());
    return *this;
  }
  void write() {
    file_.append(bytes_);
    last_number_ = number_;
  }

 private:
  RecordFile& file_;
  std::int64_t& last_number_;
  std::int64_t number_;
  std::string bytes_;
};

class WandbOffline : public Sink {
 public:
  std::string name() const override { return "wandb"; }

  void start(const RunInfo& info, const Object& config) override {
    folder_ = runs_folder(info.dir) / fmt::format("offline-run-{}-{}", info.stamp, info.id);
    make_new_folder(folder_);
    fs::create_directory(folder_ / "files");  // `wandb sync` writes into it
    file_.emplace(folder_ / fmt::format("run-{}.wandb", info.id));
    file_->append(wandb_log::file_header);
    batch()
        .add([](auto number) { return record::header(number, "muon.cpp " MUON_VERSION_STRING); })
        .add([&](auto number) { return record::run(number, info, host_name(), config); })
        .write();
    link_latest(folder_);
  }

  void config(const Object& changes, const Object&) override {
    batch().add([&](auto number) { return record::config(number, changes); }).write();
  }

  void define_metric(const MetricDefinition& metric) override {
    batch().add([&](auto number) { return record::metric(number, metric, false); }).write();
    summary_.define(metric);
  }

  void row(const Row& row) override {
    Leaves leaves = leaves_of(row.values);
    std::erase_if(leaves, [](const Leaf& leaf) { return is_reserved(leaf.path.front()); });
    wandb_summary::Changes changes = summary_.update(leaves);
    unwritten_.insert(unwritten_.end(), changes.definitions.begin(), changes.definitions.end());
    Items items;
    for (const Leaf& leaf : leaves) record::add_leaf(items, leaf);
    for (const Leaf& leaf : changes.step_metrics) record::add_leaf(items, leaf);
    add_reserved(items, row);
    add_reserved(changes.items, row);
    add_duration(changes.items, row);

    Batch records = batch();
    for (const MetricDefinition& metric : unwritten_)
      records.add([&](auto number) { return record::metric(number, metric, true); });
    records.add([&](auto number) { return record::summary(number, changes.items); })
        .add([&](auto number) { return record::history(number, row.step, items); })
        .write();
    unwritten_.clear();
  }

  void system(const Row& row) override {
    batch().add([&](auto number) { return record::stats(number, row); }).write();
  }

  void finish(int exit_code, const Row& last) override {
    Items histograms;
    for (const Leaf& leaf : leaves_of(last.values)) {
      if (std::holds_alternative<Histogram>(leaf.value->get())) record::add_leaf(histograms, leaf);
    }
    add_duration(histograms, last);
    batch()
        .add([&](auto number) { return record::summary(number, histograms); })
        .add([&](auto number) { return record::exit(number, exit_code, last.runtime); })
        .add([&](auto number) { return record::final(number); })
        .write();
    file_.reset();
  }

  fs::path path() const override { return folder_; }

 private:
  Batch batch() { return {*file_, number_}; }

  fs::path folder_;
  std::optional<RecordFile> file_;
  std::int64_t number_ = 0;  // the last record's
  wandb_summary::Summary summary_;
  std::vector<MetricDefinition> unwritten_;  // from globs, for rows that could not be written
};

}  // namespace

std::shared_ptr<Sink> wandb_offline() { return std::make_shared<WandbOffline>(); }

}  // namespace muon::track
