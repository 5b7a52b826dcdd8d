#include "result_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

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

void write_directly(const fs::path& file, const std::string& text) {
  Descriptor out(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
  if (!out.ok() || !out.write(text) || !out.close()) fail(file, "cannot be written");
}

}  // namespace

void write_file(const fs::path& file, const std::string& text) {
  if (fs::exists(file) && !fs::is_regular_file(file)) return write_directly(file, text);
  const fs::path temporary = fmt::format("{}.{}.tmp", file.string(), ::getpid());
  Descriptor out(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
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

void check_writable(const fs::path& file) {
  const fs::path folder = folder_of(file);
  if (fs::is_directory(file)) throw std::runtime_error(fmt::format("{} is a folder; give a file", file.string()));
  if (!fs::is_directory(folder))
    throw std::runtime_error(fmt::format("{} is not a folder, so {} cannot be written", folder.string(), file.string()));
  const bool device = fs::exists(file) && !fs::is_regular_file(file);
  if (::access(device ? file.c_str() : folder.c_str(), W_OK) != 0) fail(file, "cannot be written");
}

}  // namespace cli
