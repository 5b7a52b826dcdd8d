#include "result_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace cli {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& file, const char* what) {
  throw std::runtime_error(fmt::format("{} {}: {}", file.string(), what, std::strerror(errno)));
}

fs::path folder_of(const fs::path& file) { return file.has_parent_path() ? file.parent_path() : fs::path("."); }

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  bool ok() const { return fd_ >= 0; }
  bool write(const std::string& text) const {
    std::size_t done = 0;
    while (done < text.size()) {
      const ssize_t count = ::write(fd_, text.data() + done, text.size() - done);
      if (count < 0 && errno != EINTR) return false;
      if (count > 0) done += static_cast<std::size_t>(count);
    }
    return true;
  }
  bool sync() const { return ::fsync(fd_) == 0; }
  bool close() { return ::close(std::exchange(fd_, -1)) == 0; }

 private:
  int fd_;
};

struct Target {
  fs::path file;  // behind any links
  bool direct;    // a device, a pipe, or a name for one of this process's own files: there is nothing to rename over
};

Target resolve(fs::path file) {
  const auto is_special = [](const fs::path& path) { return path.lexically_normal().string().starts_with("/proc/"); };
  std::error_code error;
  for (int links = 0; links < 40 && !is_special(file) && fs::is_symlink(fs::symlink_status(file, error)); ++links) {
    file = folder_of(file) / fs::read_symlink(file, error);
  }
  const bool other = fs::exists(file, error) && !fs::is_regular_file(file, error);
  return {file, is_special(file) || other};
}

/// Of an existing file, so that a private file stays private.
mode_t mode_of(const fs::path& file) {
  struct stat status {};
  return ::stat(file.c_str(), &status) == 0 ? status.st_mode & 07777 : 0644;
}

/// The descriptor itself where the name is one of this process's (/dev/stdout): opened anew, a file would be written from its
/// start.
int open_directly(const fs::path& file) {
  constexpr std::string_view own = "/proc/self/fd/";
  const std::string text = file.lexically_normal().string();
  if (text.starts_with(own)) return ::dup(std::atoi(text.c_str() + own.size()));
  return ::open(file.c_str(), O_WRONLY | O_CLOEXEC);
}

void write_directly(const fs::path& file, const std::string& text) {
  std::fflush(stdout);  // in order with what was printed before
  Descriptor out(open_directly(file));
  if (!out.ok() || !out.write(text) || !out.close()) fail(file, "cannot be written");
}

}  // namespace

void write_file(const fs::path& name, const std::string& text) {
  const auto [file, direct] = resolve(name);
  if (direct) return write_directly(file, text);
  const fs::path temporary = fmt::format("{}.{}.tmp", file.string(), ::getpid());
  Descriptor out(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode_of(file)));
  if (!out.ok()) fail(file, "cannot be written");
  if (!out.write(text) || !out.sync() || !out.close() || ::rename(temporary.c_str(), file.c_str()) != 0) {
    const int reason = errno;
    ::unlink(temporary.c_str());
    errno = reason;
    fail(file, "cannot be written");
  }
  const Descriptor folder(::open(folder_of(file).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.ok()) (void)folder.sync();  // the rename itself; not every file system can
}

void check_writable(const fs::path& name) {
  const auto [file, direct] = resolve(name);
  const fs::path folder = folder_of(file);
  std::error_code error;
  if (fs::is_directory(file, error)) throw std::runtime_error(fmt::format("{} is a folder; give a file", file.string()));
  if (!fs::is_directory(folder, error)) {
    throw std::runtime_error(fmt::format("{} is not a folder, so {} cannot be written", folder.string(), file.string()));
  }
  if (::access(direct ? file.c_str() : folder.c_str(), W_OK) != 0) fail(file, "cannot be written");
}

}  // namespace cli
