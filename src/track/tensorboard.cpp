#include <muon/track/tensorboard.hpp>

#include "files/folders.hpp"
#include "files/record_file.hpp"
#include "track/formats/event.hpp"
#include "track/formats/seconds.hpp"
#include "track/formats/tfrecord.hpp"
#include "track/host.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace muon::track {
namespace {

class TensorBoard : public Sink {
 public:
  explicit TensorBoard(std::filesystem::path folder) : folder_(std::move(folder)) {}

  std::string name() const override { return "tensorboard"; }

  void start(const RunInfo& info, const Object& config) override {
    static std::atomic<unsigned> count{0};
    if (folder_.empty())
      folder_ = info.dir / "tensorboard" / fmt::format("{}-{}", info.stamp, info.id);
    make_folders(folder_);
    const double time = seconds_since_1970(info.start);
    file_.emplace(folder_ / fmt::format("events.out.tfevents.{:010d}.{}.{}.{}",
                                        static_cast<std::int64_t>(time), host_name(), ::getpid(),
                                        count++));
    file_->append(tfrecord::frame(event::version(time)) +
                  tfrecord::frame(event::session_start(time, info, config)));
  }

  void row(const Row& row) override { file_->append(tfrecord::frame(event::row(row))); }

  void finish(int exit_code, const Row& last) override {
    file_->append(
        tfrecord::frame(event::session_end(seconds_since_1970(last.time), exit_code == 0)));
    file_.reset();
  }

  std::filesystem::path path() const override { return folder_; }

 private:
  std::filesystem::path folder_;
  std::optional<RecordFile> file_;
};

}  // namespace

std::shared_ptr<Sink> tensorboard(std::filesystem::path folder) {
  return std::make_shared<TensorBoard>(std::move(folder));
}

}  // namespace muon::track
