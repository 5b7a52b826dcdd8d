#include "files/mapped_file.hpp"

#include "files/folders.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

namespace muon {

MappedFile::MappedFile(const std::filesystem::path& file) {
  // a pipe is refused, not waited for
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) refuse_file(file, "cannot be read", errno);
  struct stat status {};
  const bool known = ::fstat(descriptor, &status) == 0;
  if (!known || !S_ISREG(status.st_mode)) {
    const int reason = known ? (S_ISDIR(status.st_mode) ? EISDIR : EINVAL) : errno;
    ::close(descriptor);
    refuse_file(file, "cannot be read", reason);
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
  void* const memory =
      size_ == 0 ? nullptr
                 : ::mmap(nullptr, static_cast<std::size_t>(size_), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_NORESERVE, descriptor, 0);
  const int reason = errno;
  ::close(descriptor);
  if (memory == MAP_FAILED) refuse_file(file, "cannot be mapped", reason);
  data_ = static_cast<char*>(memory);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(data_, static_cast<std::size_t>(size_));
}

}  // namespace muon
