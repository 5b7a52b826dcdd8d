#include "files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace muon {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const fs::path& file, const char* what, int reason) {
  throw std::runtime_error(fmt::format("{} {}: {}", file.string(), what, std::strerror(reason)));
}

/// Behind any links, so that a link stays one; a permission to read that a file had stays as well.
fs::path behind_links(fs::path file) {
  std::error_code error;
  for (int links = 0; links < 40 && fs::is_symlink(fs::symlink_status(file, error)); ++links) {
    const fs::path target = fs::read_symlink(file, error);
    file = target.is_absolute() ? target : file.parent_path() / target;
  }
  return file;
}

/// What was made or renamed in it; not every file system can.
void sync_folder(const fs::path& folder) {
  const int descriptor = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  (void)::fsync(descriptor);
  ::close(descriptor);
}

}  // namespace

void make_folders(const fs::path& folder) {
  std::error_code error;
  if (folder.empty() || fs::is_directory(folder, error)) return;
  make_folders(folder.parent_path());
  if (::mkdir(folder.c_str(), 0777) != 0 && !fs::is_directory(folder, error)) refuse(folder, "cannot be made", errno);
  sync_folder(folder.parent_path());
}

MappedFile::MappedFile(const fs::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe is refused, not waited for
  if (descriptor < 0) refuse(file, "cannot be read", errno);
  struct stat status {};
  const bool known = ::fstat(descriptor, &status) == 0;
  if (!known || !S_ISREG(status.st_mode)) {
    const int reason = known ? (S_ISDIR(status.st_mode) ? EISDIR : EINVAL) : errno;
    ::close(descriptor);
    refuse(file, "cannot be read", reason);
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
  void* const memory = size_ == 0 ? nullptr
                                  : ::mmap(nullptr, static_cast<std::size_t>(size_), PROT_READ | PROT_WRITE,
                                           MAP_PRIVATE | MAP_NORESERVE, descriptor, 0);
  const int reason = errno;
  ::close(descriptor);
  if (memory == MAP_FAILED) refuse(file, "cannot be mapped", reason);
  data_ = static_cast<char*>(memory);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(data_, static_cast<std::size_t>(size_));
}

WholeFile::WholeFile(fs::path file) : file_(behind_links(std::move(file))) {
  static std::atomic<unsigned> count{0};
  temporary_ = fmt::format("{}.{}-{}.tmp", file_.string(), ::getpid(), count++);
  struct stat status {};
  const mode_t mode = ::stat(file_.c_str(), &status) == 0 ? status.st_mode & 07777 : 0666;
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  if (descriptor_ < 0) refuse(file_, "cannot be written", errno);
}

WholeFile::~WholeFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

void WholeFile::fail() const { refuse(file_, "cannot be written", errno); }

void WholeFile::write(const void* bytes, std::size_t count) {
  const char* next = static_cast<const char*>(bytes);
  while (count > 0) {
    const ssize_t written = ::write(descriptor_, next, std::min<std::size_t>(count, std::size_t{1} << 30));
    if (written < 0 && errno != EINTR) fail();
    if (written <= 0) continue;
    next += written;
    count -= static_cast<std::size_t>(written);
  }
}

void WholeFile::patch(std::size_t offset, const void* bytes, std::size_t count) {
  if (::pwrite(descriptor_, bytes, count, static_cast<off_t>(offset)) != static_cast<ssize_t>(count)) fail();
}

void WholeFile::commit() {
  if (::fsync(descriptor_) != 0) fail();
  if (::rename(temporary_.c_str(), file_.c_str()) != 0) fail();
  if (::close(std::exchange(descriptor_, -1)) != 0) fail();
  sync_folder(file_.parent_path());
}

}  // namespace muon
