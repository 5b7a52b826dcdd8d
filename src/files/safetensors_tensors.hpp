// Conversions between safetensors' headers and LibTorch's tensors.
#pragma once

#include "files/safetensors_header.hpp"

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muon::safetensors {

/// Null or none if the other side has no such type.
const char* dtype_of(at::ScalarType type);
std::optional<at::ScalarType> scalar_type_of(std::string_view dtype);

/// Errors   std::invalid_argument for tensors that cannot be stored; see write_safetensors.
Header header_of(const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                 const std::map<std::string, std::string>& metadata);

/// The tensor in the form in which it is stored: contiguous and on the CPU. Not copied if it is
/// already.
at::Tensor packed(const at::Tensor& tensor);

/// Calls `put` with the bytes of each tensor, in the order of the file. At most one tensor is
/// copied at a time.
void each_tensors_bytes(const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                        const std::function<void(const void* bytes, std::size_t count)>& put);

/// The header of a complete file, and the offset of its data.
struct Contents {
  Header header;
  std::uint64_t data = 0;
};
Contents read(std::string_view bytes);

}  // namespace muon::safetensors
