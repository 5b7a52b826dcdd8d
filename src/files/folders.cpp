#include "files/folders.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>

namespace muon {

namespace fs = std::filesystem;

void make_folders(const fs::path& folder) {
  std::error_code error;
  if (folder.empty() || fs::is_directory(folder, error)) return;
  make_folders(folder.parent_path());
  // before another call sets errno
  const int reason = ::mkdir(folder.c_str(), 0777) == 0 ? 0 : errno;
  if (reason != 0 && !fs::is_directory(folder, error))
    refuse_file(folder, "cannot be created", reason);
  sync_folder(folder.parent_path());
}

void sync_folder(const fs::path& folder) {
  const int descriptor =
      ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  (void)::fsync(descriptor);
  ::close(descriptor);
}

void refuse_file(const fs::path& file, const char* what, int error_number) {
  throw std::runtime_error(
      fmt::format("{} {}: {}", file.string(), what, std::strerror(error_number)));
}

}  // namespace muon
