// Reads zip files as torch.save writes them: stored, not compressed. Does not use LibTorch.
//
// LibTorch's own reader allocates whatever size an entry claims, and does not map the file. Here
// entries are slices of a mapped file, so a file of any size opens immediately, and no claim costs
// more memory than the file.
// Source   https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace muon {

class ZipReader {
 public:
  /// `file` must outlive the reader. Reads the directory at its end; entries are read on request.
  /// Errors   std::runtime_error without the file's name, as everywhere in this class: not a zip
  ///          file, truncated, split into parts, a duplicate name.
  explicit ZipReader(std::string_view file);

  bool contains(const std::string& name) const { return entries_.count(name) > 0; }
  /// The full name of the one entry whose path ends in "/" + `suffix`, with one folder before it;
  /// empty if there is none.
  std::string find(std::string_view suffix) const;
  /// Errors   no such entry; compressed; outside the file.
  std::string_view entry(const std::string& name) const;

 private:
  struct Entry {
    std::uint64_t header;  // offset of its local header
    std::uint64_t size;
    bool stored;
  };
  void add(std::string_view record);

  std::string_view file_;
  std::map<std::string, Entry> entries_;
};

}  // namespace muon
