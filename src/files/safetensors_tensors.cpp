#include "files/safetensors_tensors.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/version.h>

#include <cstdint>
#include <set>
#include <stdexcept>
#include <string_view>
#include <utility>

#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 3)
#define MUON_HAS_UNSIGNED_AND_FLOAT8
#endif
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 7)
#define MUON_HAS_FLOAT8_E8M0
#endif

namespace muon::safetensors {
namespace {

struct Type {
  const char* name;
  at::ScalarType type;
};

constexpr Type types[] = {
    {"BOOL", at::kBool},
    {"U8", at::kByte},
    {"I8", at::kChar},
    {"I16", at::kShort},
    {"I32", at::kInt},
    {"I64", at::kLong},
    {"F16", at::kHalf},
    {"F32", at::kFloat},
    {"F64", at::kDouble},
    {"BF16", at::kBFloat16},
    {"C64", at::kComplexFloat},
#ifdef MUON_HAS_UNSIGNED_AND_FLOAT8
    {"U16", at::ScalarType::UInt16},
    {"U32", at::ScalarType::UInt32},
    {"U64", at::ScalarType::UInt64},
    {"F8_E5M2", at::ScalarType::Float8_e5m2},
    {"F8_E4M3", at::ScalarType::Float8_e4m3fn},
    {"F8_E5M2FNUZ", at::ScalarType::Float8_e5m2fnuz},
    {"F8_E4M3FNUZ", at::ScalarType::Float8_e4m3fnuz},
#endif
#ifdef MUON_HAS_FLOAT8_E8M0
    {"F8_E8M0", at::ScalarType::Float8_e8m0fnu},
#endif
};

}  // namespace

const char* dtype_of(at::ScalarType type) {
  for (const Type& known : types) {
    if (known.type == type) return known.name;
  }
  return nullptr;
}

std::optional<at::ScalarType> scalar_type_of(std::string_view dtype) {
  for (const Type& known : types) {
    if (known.name == dtype) return known.type;
  }
  return std::nullopt;
}

Header header_of(const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                 const std::map<std::string, std::string>& metadata) {
  Header header;
  header.metadata = metadata;
  std::set<std::string_view> names{"__metadata__"};
  std::uint64_t end = 0;
  for (const auto& [name, tensor] : tensors) {
    const auto invalid = [&](const std::string& what) {
      throw std::invalid_argument(fmt::format("[safetensors] '{}' {}", name, what));
    };
    if (!names.insert(name).second)
      invalid(name == "__metadata__" ? "is not a name for a tensor" : "is given twice");
    if (!tensor.defined()) invalid("is an undefined tensor");
    if (tensor.layout() != at::kStrided) invalid("is sparse; give a dense tensor");
    const char* const dtype = dtype_of(tensor.scalar_type());
    if (dtype == nullptr)
      invalid(fmt::format("is of type {}, which the format does not have",
                          c10::toString(tensor.scalar_type())));
    const std::uint64_t begin = end;
    end += static_cast<std::uint64_t>(tensor.numel()) * tensor.element_size();
    header.entries.push_back({name, dtype, tensor.sizes().vec(), begin, end});
  }
  return header;
}

at::Tensor packed(const at::Tensor& tensor) {
  return tensor.detach().to(at::kCPU).contiguous().resolve_conj().resolve_neg();
}

void each_tensors_bytes(const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                        const std::function<void(const void* bytes, std::size_t count)>& put) {
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor bytes = packed(tensor);
    if (bytes.numel() > 0)
      put(bytes.data_ptr(), static_cast<std::size_t>(bytes.numel()) * bytes.element_size());
  }
}

Contents read(std::string_view bytes) {
  const std::uint64_t length = header_length(bytes.substr(0, 8), bytes.size());
  Header header =
      parse_header(bytes.substr(8, static_cast<std::size_t>(length)), bytes.size() - 8 - length);
  return {std::move(header), 8 + length};
}

}  // namespace muon::safetensors
