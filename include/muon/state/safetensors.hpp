// muon/state/safetensors.hpp: named tensors in a file that any tool can open.
//
// The format of Hugging Face: a JSON header with names, types and shapes, then the bytes. Nothing
// in it is ever executed.
// Source   https://huggingface.co/docs/safetensors
#pragma once

#include <muon/export.hpp>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muon {

class SafetensorsFile;

/// Describes one tensor of a file.
struct TensorInfo {
  std::string name;
  std::string dtype;  ///< in safetensors' words: "F32", "BF16", "I64", ...
  std::vector<std::int64_t> shape;
};

/// A file opened for reading. Opening reads and checks the header alone; a tensor's bytes are read
/// when they are accessed.
///
/// Errors   std::runtime_error naming the file and what is wrong: not a safetensors file, cut off,
///          a name twice, an unknown dtype, offsets that overlap, leave a gap, leave the file or do
///          not fit the shape, a header of more than 100 MB.
/// Safety   The file is mapped: nobody may truncate it while this object or a tensor from it
///          exists. Files that this library writes are replaced as a whole, which is harmless.
///
/// Example  const muon::Safetensors file("model.safetensors");
///          for (const auto& info : file.tensors()) std::cout << info.name << "\n";
///          torch::Tensor weight = file.tensor("fc1.weight");
class MUON_API Safetensors {
 public:
  explicit Safetensors(const std::filesystem::path& file);

  /// In the order of the data.
  [[nodiscard]] const std::vector<TensorInfo>& tensors() const;
  [[nodiscard]] bool contains(std::string_view name) const;
  [[nodiscard]] const TensorInfo& info(std::string_view name) const;
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const;

  /// A CPU tensor in the mapped file, which stays open as long as the tensor exists; writing to it
  /// changes this process's memory and not the file.
  /// Errors   std::runtime_error: no such name; a dtype this LibTorch does not have.
  [[nodiscard]] at::Tensor tensor(std::string_view name) const;

 private:
  std::shared_ptr<const SafetensorsFile> file_;
};

/// Writes the tensors, from any device and of any strides, completely or not at all: temporary
/// name, flush to the disk, rename. A temporary file that a killed process left in the folder
/// (muon-*.tmp) is removed first. Pipes, devices and /dev/stdout are written directly.
///
/// Cost     Memory for one contiguous CPU copy at a time, and none for tensors that are contiguous
///          CPU tensors already.
/// Errors   std::invalid_argument: a name twice, or "__metadata__"; an undefined or sparse tensor;
///          a dtype the format does not have. std::runtime_error naming the file and the reason; an
///          existing file is then as it was.
MUON_API void write_safetensors(const std::filesystem::path& file,
                                const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                                const std::map<std::string, std::string>& metadata = {});

}  // namespace muon
