// The bytes of a file that have been fed to a reader and not consumed yet.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace muon::track {

class FedBytes {
 public:
  void feed(std::string_view bytes) {
    if (consumed_ > 131072) {  // not for every record, since erasing moves the rest
      bytes_.erase(0, consumed_);
      consumed_ = 0;
    }
    bytes_ += bytes;
  }
  std::string_view rest() const { return std::string_view(bytes_).substr(consumed_); }
  void consume(std::size_t count) { consumed_ += count; }

 private:
  std::string bytes_;
  std::size_t consumed_ = 0;
};

}  // namespace muon::track
