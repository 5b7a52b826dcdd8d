#include "train/data/gz_file.hpp"

#include "cli/print.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace cli {

GzFile::GzFile(const std::filesystem::path& file)
    : name_(file.string()), gz_(gzopen(name_.c_str(), "rb"), gzclose) {
  if (!gz_) fail(message("cannot be opened: {}", std::strerror(errno)));
}

std::size_t GzFile::read(unsigned char* to, std::size_t size) {
  std::size_t done = 0;
  while (done < size) {
    const int got = gzread(gz_.get(), to + done,
                           static_cast<unsigned>(std::min<std::size_t>(size - done, 1u << 20)));
    int code = Z_OK;
    const char* reason = gzerror(gz_.get(), &code);
    // zlib 1.3.2 reports an error once, with the last bytes; older ones at every read after them
    if (code == Z_BUF_ERROR) fail("is truncated: its compressed data ends early");
    if (got < 0 || code != Z_OK) fail(message("is damaged: {}", reason));
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

void GzFile::fail(const std::string& what) const {
  throw std::runtime_error(message("{}: {}", name_, what));
}

}  // namespace cli
