#include "train/data/idx.hpp"

#include "cli/print.hpp"

#include <zlib.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace cli {
namespace {

/// gzread also reads files that are not gzipped.
class Reader {
 public:
  explicit Reader(const std::filesystem::path& file)
      : name_(file.string()), gz_(gzopen(name_.c_str(), "rb"), gzclose) {
    if (!gz_) fail(message("cannot be opened: {}", std::strerror(errno)));
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw std::runtime_error(message("{}: {}", name_, what));
  }

  /// Up to `size` bytes; fewer only at the end of the file.
  std::size_t read(unsigned char* to, std::size_t size) {
    std::size_t done = 0;
    while (done < size) {
      const int got = gzread(gz_.get(), to + done,
                             static_cast<unsigned>(std::min<std::size_t>(size - done, 1u << 20)));
      int code = Z_OK;
      const char* reason = gzerror(gz_.get(), &code);
      if (got < 0 || (got == 0 && code != Z_OK && code != Z_BUF_ERROR))
        fail(message("is damaged: {}", reason));
      if (got == 0 && code == Z_BUF_ERROR) fail("is truncated: its compressed data ends early");
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  std::uint32_t big_endian() {
    unsigned char bytes[4];
    if (read(bytes, 4) != 4) fail("is truncated: it ends inside its header");
    return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 |
           std::uint32_t{bytes[2]} << 8 | bytes[3];
  }

 private:
  std::string name_;
  std::unique_ptr<gzFile_s, int (*)(gzFile)> gz_;
};

}  // namespace

torch::Tensor read_idx(const std::filesystem::path& file, std::int64_t dimensions) {
  Reader reader(file);
  const std::uint32_t magic = reader.big_endian();
  const auto expected = static_cast<std::uint32_t>(0x0800 + dimensions);  // 0x08: unsigned bytes
  if (magic != expected) {
    reader.fail(message(
        "is not an IDX file of {}-dimensional bytes: its magic number is 0x{:08x}, not 0x{:08x}",
        dimensions, magic, expected));
  }
  std::vector<std::int64_t> sizes;
  std::int64_t total = 1;
  for (std::int64_t d = 0; d < dimensions; ++d) {
    sizes.push_back(reader.big_endian());
    if (sizes.back() == 0) reader.fail("holds nothing: one of its sizes is 0");
    if (total > (std::int64_t{1} << 40) / sizes.back())
      reader.fail("has sizes that cannot be right: more than a terabyte");
    total *= sizes.back();
  }
  // grown as the data comes, so a wrong size in a short file costs nothing
  std::vector<unsigned char> bytes;
  constexpr std::int64_t portion = 1 << 22;
  while (static_cast<std::int64_t>(bytes.size()) < total) {
    const auto before = bytes.size();
    const auto wanted =
        static_cast<std::size_t>(std::min(portion, total - static_cast<std::int64_t>(before)));
    bytes.resize(before + wanted);
    const std::size_t got = reader.read(bytes.data() + before, wanted);
    if (got < wanted) reader.fail(message("is truncated: {} of {} bytes", before + got, total));
  }
  unsigned char extra = 0;
  if (reader.read(&extra, 1) != 0)
    reader.fail(message("is longer than the {} bytes its sizes say", total));
  return torch::from_blob(bytes.data(), sizes, torch::kUInt8).clone();
}

}  // namespace cli
