#include "files/atomic_file.hpp"

#include "files/folders.hpp"
#include "files/leftovers.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace muon {
namespace {

namespace fs = std::filesystem;

fs::path folder_of(const fs::path& file) {
  return file.has_parent_path() ? file.parent_path() : fs::path(".");
}

struct Target {
  fs::path file;        // behind any links
  bool direct = false;  // there is nothing to rename over
  // the descriptor, where the name is that of one of this process's open files
  int own = -1;
  mode_t mode = 0666;  // of the file that is there, or of a new one
};

int number_in(const std::string& text) {
  int number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? number : -1;
}

/// Follows symbolic links, except those in /proc, whose targets need not be names of files.
Target resolve(fs::path file) {
  std::error_code error;
  Target target;
  for (int links = 0;; ++links) {
    const fs::path folder = fs::canonical(folder_of(file), error);
    if (!error && folder.string().starts_with("/proc/")) {
      target.direct = true;
      if (folder == fs::canonical("/proc/self/fd", error) ||
          folder == fs::canonical("/proc/thread-self/fd", error))
        target.own = number_in(file.filename().string());
      break;
    }
    if (!fs::is_symlink(fs::symlink_status(file, error))) break;
    if (links == 40) refuse_file(file, "cannot be written", ELOOP);
    file = folder_of(file) / fs::read_symlink(file, error);
  }
  struct stat status {};
  if (::stat(file.c_str(), &status) == 0) {
    if (S_ISDIR(status.st_mode)) refuse_file(file, "cannot be written", EISDIR);
    if (!S_ISREG(status.st_mode)) target.direct = true;
    target.mode = status.st_mode & 07777;
  } else if (target.direct) {
    refuse_file(file, "cannot be written", errno);
  }
  target.file = std::move(file);
  return target;
}

}  // namespace

AtomicFile::AtomicFile(const fs::path& file, Access access) {
  const Target target = resolve(file);
  file_ = target.file;
  if (!target.direct) {
    open_temporary(target.mode);
    return;
  }
  if (access == Access::patched) {
    throw std::runtime_error(
        fmt::format("{} is a device, a pipe or an open file, in which what was written cannot be "
                    "changed, as is needed here; give a file",
                    file.string()));
  }
  // opening the file again would write from its start
  descriptor_ = target.own >= 0 ? ::fcntl(target.own, F_DUPFD_CLOEXEC, 0)
                                : ::open(file_.c_str(), O_WRONLY | O_CLOEXEC);
  if (descriptor_ < 0) fail();
}

void AtomicFile::open_temporary(unsigned mode) {
  remove_leftovers(file_.parent_path());
  for (int attempt = 0; attempt < 100; ++attempt) {
    temporary_ = file_.parent_path() / temporary_name();
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                         static_cast<mode_t>(mode));
    if (descriptor_ < 0 && errno == EEXIST) continue;
    if (descriptor_ < 0 || hold_temporary(descriptor_)) break;
    discard();
  }
  if (descriptor_ < 0) fail();
}

void AtomicFile::discard() {
  if (descriptor_ < 0) return;
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  ::close(std::exchange(descriptor_, -1));
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::fail() const { refuse_file(file_, "cannot be written", errno); }

void AtomicFile::write(const void* bytes, std::size_t count) {
  const char* next = static_cast<const char*>(bytes);
  while (count > 0) {
    const ssize_t written =
        ::write(descriptor_, next, std::min<std::size_t>(count, std::size_t{1} << 30));
    if (written < 0 && errno != EINTR) fail();
    if (written <= 0) continue;
    next += written;
    count -= static_cast<std::size_t>(written);
  }
}

void AtomicFile::patch(std::size_t offset, const void* bytes, std::size_t count) {
  const char* next = static_cast<const char*>(bytes);
  while (count > 0) {
    const ssize_t written = ::pwrite(descriptor_, next, count, static_cast<off_t>(offset));
    if (written < 0 && errno != EINTR) fail();
    if (written <= 0) continue;
    next += written;
    offset += static_cast<std::size_t>(written);
    count -= static_cast<std::size_t>(written);
  }
}

void AtomicFile::commit() {
  if (!temporary_.empty()) {
    if (::fsync(descriptor_) != 0) fail();
    if (::rename(temporary_.c_str(), file_.c_str()) != 0) fail();
  }
  if (::close(std::exchange(descriptor_, -1)) != 0) fail();
  if (!temporary_.empty()) sync_folder(file_.parent_path());
}

void check_writable(const fs::path& name) {
  const Target target = resolve(name);
  const fs::path folder = folder_of(target.file);
  std::error_code error;
  if (!target.direct && !fs::is_directory(folder, error)) {
    throw std::runtime_error(fmt::format("{} is not a folder, so {} cannot be written",
                                         folder.string(), target.file.string()));
  }
  const fs::path& written = target.direct ? target.file : folder;
  if (target.own < 0 && ::access(written.c_str(), W_OK) != 0)
    refuse_file(target.file, "cannot be written", errno);
}

}  // namespace muon
