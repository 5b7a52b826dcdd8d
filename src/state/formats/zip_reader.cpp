#include "state/formats/zip_reader.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <stdexcept>

namespace muon {
namespace {

constexpr std::uint64_t local_size = 30, central_size = 46, end_size = 22, locator_size = 20,
                        end64_size = 56;

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what); }

/// The little-endian number in the `count` bytes from `begin`.
std::uint64_t number(std::string_view bytes, std::uint64_t begin, std::uint64_t count) {
  if (begin > bytes.size() || bytes.size() - begin < count)
    fail("the zip file is cut off or damaged");
  std::uint64_t value = 0;
  for (std::uint64_t i = count; i-- > 0;)
    value = value << 8 | static_cast<unsigned char>(bytes[static_cast<std::size_t>(begin + i)]);
  return value;
}

std::string_view piece(std::string_view bytes, std::uint64_t begin, std::uint64_t count) {
  if (begin > bytes.size() || bytes.size() - begin < count)
    fail("the zip file is cut off or damaged");
  return bytes.substr(static_cast<std::size_t>(begin), static_cast<std::size_t>(count));
}

/// The offset of the end record, which only a comment may follow.
std::uint64_t end_record(std::string_view file) {
  const std::uint64_t most = end_size + 0xffff;
  if (file.size() < end_size) fail("this is not a zip file");
  const std::uint64_t first = file.size() > most ? file.size() - most : 0;
  for (std::uint64_t at = file.size() - end_size + 1; at-- > first;) {
    if (number(file, at, 4) == 0x06054b50) return at;
  }
  fail("this is not a zip file, or its end is cut off");
}

struct Directory {
  std::uint64_t count, size, begin;
};

Directory directory(std::string_view file) {
  const std::uint64_t end = end_record(file);
  Directory found{number(file, end + 10, 2), number(file, end + 12, 4), number(file, end + 16, 4)};
  if (found.count != 0xffff && found.size != 0xffffffff && found.begin != 0xffffffff) return found;
  if (end < locator_size || number(file, end - locator_size, 4) != 0x07064b50) return found;
  const std::uint64_t end64 = number(file, end - locator_size + 8, 8);
  const std::string_view record = piece(file, end64, end64_size);
  if (number(record, 0, 4) != 0x06064b50) fail("the zip file's directory is damaged");
  return {number(record, 32, 8), number(record, 40, 8), number(record, 48, 8)};
}

}  // namespace

ZipReader::ZipReader(std::string_view file) : file_(file) {
  const Directory found = directory(file);
  std::string_view rest = piece(file, found.begin, found.size);
  for (std::uint64_t i = 0; i < found.count; ++i) {
    if (number(rest, 0, 4) != 0x02014b50) fail("the zip file's directory is damaged");
    const std::uint64_t length =
        central_size + number(rest, 28, 2) + number(rest, 30, 2) + number(rest, 32, 2);
    add(piece(rest, 0, length));
    rest.remove_prefix(static_cast<std::size_t>(length));
  }
}

void ZipReader::add(std::string_view record) {
  const std::uint64_t name_length = number(record, 28, 2);
  std::uint64_t packed = number(record, 20, 4), size = number(record, 24, 4),
                header = number(record, 42, 4);
  std::string_view extra = piece(record, central_size + name_length, number(record, 30, 2));
  while (extra.size() >= 4) {  // zip64: the fields that did not fit, in this order
    const std::uint64_t kind = number(extra, 0, 2), length = number(extra, 2, 2);
    const std::string_view body = piece(extra, 4, length);
    std::uint64_t next = 0;
    if (kind == 1) {
      for (std::uint64_t* const field : {&size, &packed, &header}) {
        if (*field != 0xffffffff) continue;
        *field = number(body, next, 8);
        next += 8;
      }
    }
    extra.remove_prefix(static_cast<std::size_t>(4 + length));
  }
  const bool encrypted = (number(record, 8, 2) & 1) != 0;
  const std::string name(piece(record, central_size, name_length));
  const bool is_new =
      entries_
          .emplace(name,
                   Entry{header, size, number(record, 10, 2) == 0 && packed == size && !encrypted})
          .second;
  if (!is_new) fail(fmt::format("the zip file has two entries '{}'", name));
}

std::string ZipReader::find(std::string_view suffix) const {
  std::string found;
  for (const auto& [name, entry] : entries_) {
    const auto slash = name.find('/');
    if (slash == std::string::npos || std::string_view(name).substr(slash + 1) != suffix) continue;
    if (!found.empty()) fail(fmt::format("the zip file has both '{}' and '{}'", found, name));
    found = name;
  }
  return found;
}

std::string_view ZipReader::entry(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) fail(fmt::format("the zip file has no entry '{}'", name));
  const Entry& entry = found->second;
  if (!entry.stored) fail(fmt::format("the entry '{}' is compressed; torch.save stores", name));
  const std::string_view header = piece(file_, entry.header, local_size);
  if (number(header, 0, 4) != 0x04034b50) fail(fmt::format("the entry '{}' is damaged", name));
  return piece(file_, entry.header + local_size + number(header, 26, 2) + number(header, 28, 2),
               entry.size);
}

}  // namespace muon
