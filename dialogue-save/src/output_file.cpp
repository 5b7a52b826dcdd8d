#include "output_file.hpp"

#include "report.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstring>

namespace dialogue {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t buffer_size = 1 << 16;

/// Moves without replacing. Some file systems know only one of the two ways.
int rename_new(const fs::path& from, const fs::path& to) {
#ifdef RENAME_NOREPLACE
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
#endif
  if (::link(from.c_str(), to.c_str()) != 0) return errno;
  ::unlink(from.c_str());
  return 0;
}

/// The temporary files, where a signal finds them: at most a conversation and its .json.
char temporaries[2][PATH_MAX];

/// Puts `path` in the place of `old`; "" is a free place.
void note(const char* old, const char* path) {
  for (auto& place : temporaries) {
    if (std::strcmp(place, old) == 0) return void(std::strncpy(place, path, PATH_MAX - 1));
  }
}

void remove_temporaries(int signal) {
  for (const auto& path : temporaries) ::unlink(path);
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

}  // namespace

void OutputFile::remove_on_signals() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    // nohup and shells have some of them ignored
    if (std::signal(signal, remove_temporaries) == SIG_IGN) std::signal(signal, SIG_IGN);
  }
}

OutputFile::OutputFile() : file_(STDOUT_FILENO) {}

OutputFile::OutputFile(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  for (int attempt = 0; attempt < 100 && file_ < 0; ++attempt) {
    temporary_ = folder / fmt::format(".dialogue-save.{}.{}.tmp", ::getpid(), attempt);
    file_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file_ < 0 && errno != EEXIST) break;
  }
  if (error) errno = error.value();  // it says more than that the folder is not there
  if (file_ < 0) fail("cannot create a file there");
  note("", temporary_.c_str());
}

OutputFile::~OutputFile() {
  if (temporary_.empty()) return;
  ::close(file_);
  ::unlink(temporary_.c_str());
  note(temporary_.c_str(), "");
}

void OutputFile::fail(const char* what) const {
  const int code = errno;
  const std::string where =
      file_ == STDOUT_FILENO ? "standard output" : fs::absolute(temporary_.parent_path()).string();
  throw Failure(Exit::unreadable,
                fmt::format("[write] {}: '{}'; got {}; choose another place with --out-dir or -o",
                            what, where, std::strerror(code)));
}

void OutputFile::write(std::string_view bytes) {
  if (buffer_.size() + bytes.size() > buffer_size) flush();
  if (bytes.size() > buffer_size) return write_through(bytes);
  buffer_ += bytes;
}

void OutputFile::write_through(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(file_, bytes.data(), bytes.size());
    if (count < 0 && errno != EINTR) fail("cannot write");
    if (count > 0) bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

void OutputFile::flush() {
  write_through(buffer_);
  buffer_.clear();
}

void OutputFile::settle() {
  flush();
  if (!temporary_.empty() && ::fsync(file_) != 0) fail("cannot write");
}

bool OutputFile::publish(const fs::path& name) {
  const int code = rename_new(temporary_, name);
  if (code == EEXIST) return false;
  errno = code;
  if (code != 0) fail("cannot give the file its name");
  ::close(file_);
  note(temporary_.c_str(), "");
  temporary_.clear();
  return true;
}

}  // namespace dialogue
