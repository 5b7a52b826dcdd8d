// The entries of a zip file as torch.save writes it: stored, not compressed. No LibTorch here.
//
// Why not a library: LibTorch's own reader makes memory of whatever size an entry claims, and maps
// nothing. These entries are pieces of a mapped file, so a file of any size opens at once and no
// claim costs more than the file.
// Source   https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace muon {

class ZipReader {
 public:
  /// `file` must live as long. Reads the directory at its end; nothing else until an entry is asked
  /// for.
  /// Errors   std::runtime_error, without the file's name, as all here: no zip, cut off, several
  ///          parts, a name twice.
  explicit ZipReader(std::string_view file);

  bool contains(const std::string& name) const { return entries_.count(name) > 0; }
  /// The full name of the one entry whose path ends in "/" + `suffix`, with one folder before it;
  /// empty if there is none.
  std::string find(std::string_view suffix) const;
  /// Errors   no such entry; compressed; outside the file.
  std::string_view entry(const std::string& name) const;

 private:
  struct Entry {
    std::uint64_t header;  // where its local header begins
    std::uint64_t size;
    bool stored;
  };
  void add(std::string_view record);

  std::string_view file_;
  std::map<std::string, Entry> entries_;
};

}  // namespace muon
