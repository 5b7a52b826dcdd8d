// Between safetensors' headers and LibTorch's tensors.
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

/// Null, or nothing, for what the other side does not have.
const char* dtype_of(at::ScalarType type);
std::optional<at::ScalarType> scalar_type_of(std::string_view dtype);

/// Errors   std::invalid_argument for what cannot be stored; see write_safetensors.
Header header_of(const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                 const std::map<std::string, std::string>& metadata);

/// The tensor as its bytes are stored: contiguous, on the CPU. Itself if it is so already.
at::Tensor packed(const at::Tensor& tensor);

/// Hands on the tensors' bytes as they follow each other in a file. At most one tensor is copied at
/// a time.
void each_tensors_bytes(const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                        const std::function<void(const void* bytes, std::size_t count)>& put);

/// A whole file's header, and where its data begins.
struct Contents {
  Header header;
  std::uint64_t data = 0;
};
Contents read(std::string_view bytes);

}  // namespace muon::safetensors
