#include <muon/track/wandb.hpp>

#include "files/folders.hpp"
#include "track/host.hpp"
#include "files/record_file.hpp"
#include "track/formats/seconds.hpp"
#include "track/formats/wandb_log.hpp"
#include "track/formats/wandb_record.hpp"
#include "track/wandb_summary.hpp"

#include <fmt/format.h>

#include <optional>
#include <stdexcept>
#include <system_error>

namespace muon::track {
namespace {

namespace fs = std::filesystem;
namespace record = wandb_record;
using Items = std::vector<record::Item>;

/// <dir>/.wandb if it exists, else <dir>/wandb, as in Python.
fs::path runs_folder(const fs::path& dir) { return fs::is_directory(dir / ".wandb") ? dir / ".wandb" : dir / "wandb"; }

void make_new_folder(const fs::path& folder) {
  make_folders(folder.parent_path());
  std::error_code error;
  const bool made = fs::create_directory(folder, error);
  if (error) throw std::runtime_error(fmt::format("[track] {} cannot be made: {}", folder.string(), error.message()));
  if (!made) throw std::runtime_error(fmt::format("[track] {} exists already; give the run another id", folder.string()));
}

/// wandb/latest-run, which `wandb leet` follows: a link to the bare name. Without it all else works.
void link_latest(const fs::path& folder) {
  const fs::path link = folder.parent_path() / "latest-run", temporary = link.string() + "." + folder.filename().string();
  std::error_code error;
  fs::create_symlink(folder.filename(), temporary, error);
  if (!error) fs::rename(temporary, link, error);
  if (error) fs::remove(temporary, error);
}

Items items_of(const Object& values, bool only_histograms = false) {
  Items items;
  for_each_leaf(values, [&](const Path& path, const Value& value) {
    const auto* const histogram = std::get_if<Histogram>(&value.get());
    if (histogram == nullptr) {
      if (!only_histograms) items.emplace_back(path, json_text(value, NonFinite::bare));
      return;
    }
    for (const auto& [part, content] : histogram_object(*histogram)) {
      items.emplace_back(path, json_text(content, NonFinite::bare));
      items.back().first.push_back(part);
    }
  });
  return items;
}

/// Names that W&B sets itself.
Object without_own(Object values) {
  std::erase_if(values, [](const auto& e) { return e.first == "_step" || e.first == "_timestamp" || e.first == "_runtime"; });
  return values;
}

/// What W&B adds to a row.
void add_own(Items& items, const Row& row) {
  items.push_back({{"_timestamp"}, json_text(seconds_since_1970(row.time), NonFinite::bare)});
  items.push_back({{"_runtime"}, json_text(row.runtime, NonFinite::bare)});
  items.push_back({{"_step"}, std::to_string(row.step)});
}

class WandbOffline : public Sink {
 public:
  std::string name() const override { return "wandb"; }

  void start(const RunInfo& info, const Object& config) override {
    folder_ = runs_folder(info.dir) / fmt::format("offline-run-{}-{}", info.stamp, info.id);
    make_new_folder(folder_);
    fs::create_directory(folder_ / "files");  // `wandb sync` writes into it
    file_.emplace(folder_ / fmt::format("run-{}.wandb", info.id));
    file_->append(wandb_log::file_header);
    add([](auto number) { return record::header(number, "muon.cpp " MUON_VERSION); });
    add([&](auto number) { return record::run(number, info, host_name(), config); });
    link_latest(folder_);
  }

  void config(const Object& changes, const Object&) override {
    add([&](auto number) { return record::config(number, changes); });
  }

  void define_metric(const MetricDefinition& metric) override {
    add([&](auto number) { return record::metric(number, metric, false); });
    summary_.define(metric);
  }

  void row(const Row& row) override {
    for (const MetricDefinition& metric : summary_.expand(row.values))
      add([&](auto number) { return record::metric(number, metric, true); });
    Object values = without_own(row.values);
    for (auto& [name, value] : summary_.step_metrics(values)) values.emplace_back(name, value);
    Items items = items_of(values), changes = summary_.update(values);
    add_own(items, row);
    add_own(changes, row);
    add_runtime(changes, row);
    add([&](auto number) { return record::summary(number, changes); },
        [&](auto number) { return record::history(number, row.step, items); });
  }

  void system(const Row& row) override {
    add([&](auto number) { return record::stats(number, row); });
  }

  void finish(int exit_code, const Row& last) override {
    Items histograms;
    for (auto& item : items_of(last.values, /*only_histograms=*/true)) histograms.push_back(std::move(item));
    add_runtime(histograms, last);
    add([&](auto number) { return record::summary(number, histograms); },
        [&](auto number) { return record::exit(number, exit_code, last.runtime); },
        [&](auto number) { return record::final(number); });
    file_.reset();
  }

  std::string view_hint() const override { return fmt::format("wandb sync {0}   or   wandb leet {0}", folder_.string()); }
  fs::path path() const override { return folder_; }

 private:
  static void add_runtime(Items& items, const Row& row) {
    items.push_back({{"_wandb", "runtime"}, std::to_string(static_cast<std::int64_t>(row.runtime))});
  }

  /// Records with the next numbers, in one write: all of them, or none and the numbers are as before.
  template <class... Make>
  void add(const Make&... make) {
    std::string bytes;
    std::int64_t number = number_;
    const auto one = [&](const auto& text) { bytes += wandb_log::frame(text(++number), file_->size() + bytes.size()); };
    (one(make), ...);
    file_->append(bytes);
    number_ = number;
  }

  fs::path folder_;
  std::optional<RecordFile> file_;
  std::int64_t number_ = 0;
  wandb_summary::Summary summary_;
};

}  // namespace

std::shared_ptr<Sink> wandb_offline() { return std::make_shared<WandbOffline>(); }

}  // namespace muon::track
