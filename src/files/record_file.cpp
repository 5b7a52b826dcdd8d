#include "files/record_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace muon::track {
namespace {

[[noreturn]] void fail(const std::filesystem::path& file, const char* what, int reason) {
  throw std::runtime_error(
      fmt::format("[track] {} {}: {}", file.string(), what, std::strerror(reason)));
}

}  // namespace

RecordFile::RecordFile(std::filesystem::path file)
    : file_(std::move(file)),
      descriptor_(::open(file_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666)) {
  if (descriptor_ >= 0) return;
  if (errno == EEXIST)
    throw std::runtime_error(fmt::format(
        "[track] {} already exists; a run never writes to an existing file", file_.string()));
  fail(file_, "cannot be created", errno);
}

RecordFile::~RecordFile() { ::close(descriptor_); }

void RecordFile::append(std::string_view bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = ::write(descriptor_, bytes.data() + done, bytes.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      const int reason = count < 0 ? errno : EIO;
      // every reader would stop at an incomplete record
      if (::ftruncate(descriptor_, static_cast<off_t>(size_)) == 0)
        ::lseek(descriptor_, static_cast<off_t>(size_), SEEK_SET);
      fail(file_, "cannot be written", reason);
    }
    done += static_cast<std::size_t>(count);
  }
  size_ += bytes.size();
}

}  // namespace muon::track
