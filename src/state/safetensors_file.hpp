// The implementation of Safetensors. It also gives access to all bytes, over which a checkpoint
// computes its checksum.
#pragma once

#include <muon/state/safetensors.hpp>

#include "files/mapped_file.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muon {

/// Errors as for Safetensors.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& file);

  const std::vector<TensorInfo>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  bool contains(std::string_view name) const { return places_.find(name) != places_.end(); }
  const TensorInfo& info(std::string_view name) const;
  at::Tensor tensor(std::string_view name) const;
  /// Valid as long as this object exists.
  std::string_view bytes() const { return mapped_->bytes(0, mapped_->size()); }

 private:
  struct Place {
    std::size_t index;           // in `tensors_`
    std::uint64_t begin, bytes;  // in the file
  };

  const Place& place(std::string_view name) const;

  std::string file_;
  std::shared_ptr<MappedFile> mapped_;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, Place, std::less<>> places_;
  std::map<std::string, std::string> metadata_;
};

using NamedTensorList = std::vector<std::pair<std::string, at::Tensor>>;

/// The bytes of a file before its tensors.
/// Errors   std::invalid_argument as in write_safetensors; std::runtime_error naming the file.
std::string first_bytes(const std::filesystem::path& file, const NamedTensorList& tensors,
                        const std::map<std::string, std::string>& metadata);

}  // namespace muon
