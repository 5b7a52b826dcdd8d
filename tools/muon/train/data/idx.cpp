#include "train/data/idx.hpp"

#include "cli/print.hpp"
#include "train/data/gz_file.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace cli {
namespace {

std::uint32_t read_big_endian(GzFile& reader) {
  unsigned char bytes[4];
  if (reader.read(bytes, 4) != 4) reader.fail("is truncated: it ends inside its header");
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 |
         std::uint32_t{bytes[2]} << 8 | bytes[3];
}

}  // namespace

torch::Tensor read_idx(const std::filesystem::path& file, std::int64_t dimensions) {
  GzFile reader(file);
  const std::uint32_t magic = read_big_endian(reader);
  const auto expected = static_cast<std::uint32_t>(0x0800 + dimensions);  // 0x08: unsigned bytes
  if (magic != expected) {
    reader.fail(message(
        "is not an IDX file of {}-dimensional bytes: its magic number is 0x{:08x}, not 0x{:08x}",
        dimensions, magic, expected));
  }
  std::vector<std::int64_t> sizes;
  std::int64_t total = 1;
  for (std::int64_t d = 0; d < dimensions; ++d) {
    sizes.push_back(read_big_endian(reader));
    if (sizes.back() == 0) reader.fail("holds nothing: one of its sizes is 0");
    if (total > (std::int64_t{1} << 40) / sizes.back())
      reader.fail("has sizes that cannot be right: more than a terabyte");
    total *= sizes.back();
  }
  // grows as data is read, so that a wrong size in a short file costs nothing
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
