// A text of any length as bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace cli {

/// The bytes of one or more files, one after another.
class Text {
 public:
  std::int64_t size() const { return pieces_.empty() ? 0 : pieces_.back().end; }

  /// Copies `count` bytes from `first` on; they must be within the text.
  void copy(std::int64_t first, std::int64_t count, unsigned char* to) const;

  /// `owner` keeps `bytes` alive.
  void append(std::shared_ptr<const void> owner, std::string_view bytes);

 private:
  struct Piece {
    std::shared_ptr<const void> owner;
    std::string_view bytes;
    std::int64_t end;  // of the piece, in the text
  };
  std::vector<Piece> pieces_;
};

/// "moby_dick", which comes with the program; "random", 64 KiB of random bytes, which `seed`
/// decides; a file; or a folder, whose regular files are read in the order of their names, those
/// whose names begin with a dot left out. Files are mapped and read as they are used, so a text may
/// be larger than the memory; only gzipped ones are decompressed into memory. A file must not
/// become shorter while it is in use.
/// Errors   std::runtime_error naming the file or folder: missing, unreadable, damaged, no files,
///          no bytes.
Text load_text(const std::string& name, std::int64_t seed);

}  // namespace cli
