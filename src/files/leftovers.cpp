#include "files/leftovers.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string_view>
#include <system_error>

namespace muon {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view prefix = "muon-", suffix = ".tmp";
constexpr std::size_t digits = 16;

bool is_temporary(const std::string& name) {
  if (name.size() != prefix.size() + digits + suffix.size() || !name.starts_with(prefix) ||
      !name.ends_with(suffix))
    return false;
  return std::all_of(name.begin() + prefix.size(), name.end() - suffix.size(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

/// Opens for writing, since NFS locks nothing else exclusively; or for reading, if the file's
/// permissions allow no more.
int open_to_lock(const fs::path& file) {
  constexpr int flags = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  const int descriptor = ::open(file.c_str(), O_RDWR | flags);
  return descriptor >= 0 || errno != EACCES ? descriptor : ::open(file.c_str(), O_RDONLY | flags);
}

void remove_if_left(const fs::path& file) {
  const int descriptor = open_to_lock(file);
  if (descriptor < 0) return;
  struct stat status {};
  const bool regular = ::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
  // if its writer has committed meanwhile, the name is gone and will not be drawn again
  if (regular && ::flock(descriptor, LOCK_EX | LOCK_NB) == 0) ::unlink(file.c_str());
  ::close(descriptor);
}

}  // namespace

std::string temporary_name() {
  std::random_device random;
  const std::uint64_t high = random(), low = random();
  return fmt::format("{}{:016x}{}", prefix, (high << 32) ^ low, suffix);
}

bool hold_temporary(int descriptor) {
  // on a file system without locks, nothing is ever taken for a leftover
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) return errno != EWOULDBLOCK;
  struct stat status {};
  return ::fstat(descriptor, &status) == 0 && status.st_nlink > 0;
}

void remove_leftovers(const fs::path& folder) {
  std::error_code error;
  for (fs::directory_iterator entry(folder.empty() ? "." : folder, error), end;
       !error && entry != end; entry.increment(error)) {
    std::error_code unknown;
    if (is_temporary(entry->path().filename().string()) &&
        fs::is_regular_file(entry->symlink_status(unknown)))
      remove_if_left(entry->path());
  }
}

}  // namespace muon
