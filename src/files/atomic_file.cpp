#include "files/atomic_file.hpp"

#include "files/folders.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <system_error>
#include <utility>

namespace muon {
namespace {

namespace fs = std::filesystem;

/// Behind any links, so that a link stays one; a permission to read that a file had stays as well.
fs::path behind_links(fs::path file) {
  std::error_code error;
  for (int links = 0; links < 40 && fs::is_symlink(fs::symlink_status(file, error)); ++links) {
    const fs::path target = fs::read_symlink(file, error);
    file = target.is_absolute() ? target : file.parent_path() / target;
  }
  return file;
}

}  // namespace

AtomicFile::AtomicFile(fs::path file) : file_(behind_links(std::move(file))) {
  static std::atomic<unsigned> count{0};
  temporary_ = fmt::format("{}.{}-{}.tmp", file_.string(), ::getpid(), count++);
  struct stat status {};
  const mode_t mode = ::stat(file_.c_str(), &status) == 0 ? status.st_mode & 07777 : 0666;
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  if (descriptor_ < 0) refuse_file(file_, "cannot be written", errno);
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::fail() const { refuse_file(file_, "cannot be written", errno); }

void AtomicFile::write(const void* bytes, std::size_t count) {
  const char* next = static_cast<const char*>(bytes);
  while (count > 0) {
    const ssize_t written = ::write(descriptor_, next, std::min<std::size_t>(count, std::size_t{1} << 30));
    if (written < 0 && errno != EINTR) fail();
    if (written <= 0) continue;
    next += written;
    count -= static_cast<std::size_t>(written);
  }
}

void AtomicFile::patch(std::size_t offset, const void* bytes, std::size_t count) {
  if (::pwrite(descriptor_, bytes, count, static_cast<off_t>(offset)) != static_cast<ssize_t>(count)) fail();
}

void AtomicFile::commit() {
  if (::fsync(descriptor_) != 0) fail();
  if (::rename(temporary_.c_str(), file_.c_str()) != 0) fail();
  if (::close(std::exchange(descriptor_, -1)) != 0) fail();
  sync_folder(file_.parent_path());
}

}  // namespace muon
