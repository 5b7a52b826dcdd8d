#include <muon/state/safetensors.hpp>

#include "files.hpp"
#include "safetensors_header.hpp"
#include "safetensors_tensors.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/version.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <stdexcept>

#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 3)
#define MUON_HAS_UNSIGNED_AND_FLOAT8
#endif
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 7)
#define MUON_HAS_FLOAT8_E8M0
#endif

namespace muon {
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

[[noreturn]] void refuse(const std::string& file, const std::string& what) {
  throw std::runtime_error(fmt::format("[safetensors] {}: {}", file, what));
}

}  // namespace

namespace safetensors {

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
    if (!names.insert(name).second) invalid(name == "__metadata__" ? "is not a name for a tensor" : "is given twice");
    if (!tensor.defined()) invalid("is an undefined tensor");
    if (tensor.layout() != at::kStrided) invalid("is sparse; give a dense tensor");
    const char* const dtype = dtype_of(tensor.scalar_type());
    if (dtype == nullptr)
      invalid(fmt::format("is of type {}, which the format does not have", c10::toString(tensor.scalar_type())));
    const std::uint64_t begin = end;
    end += static_cast<std::uint64_t>(tensor.numel()) * tensor.element_size();
    header.entries.push_back({name, dtype, tensor.sizes().vec(), begin, end});
  }
  return header;
}

at::Tensor packed(const at::Tensor& tensor) { return tensor.detach().to(at::kCPU).contiguous().resolve_conj().resolve_neg(); }

Contents read(std::string_view bytes) {
  const std::uint64_t length = header_length(bytes.substr(0, 8), bytes.size());
  Header header = parse_header(bytes.substr(8, static_cast<std::size_t>(length)), bytes.size() - 8 - length);
  return {std::move(header), 8 + length};
}

}  // namespace safetensors

Safetensors::Safetensors(const std::filesystem::path& file) : file_(file.string()) {
  safetensors::Contents contents;
  try {
    mapped_ = std::make_shared<MappedFile>(file);
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(fmt::format("[safetensors] {}", error.what()));
  }
  try {
    contents = safetensors::read(mapped_->bytes(0, mapped_->size()));
  } catch (const std::runtime_error& error) {
    refuse(file_, error.what());
  }
  metadata_ = std::move(contents.header.metadata);
  for (safetensors::Entry& entry : contents.header.entries) {
    index_.emplace(entry.name, tensors_.size());
    begins_.push_back(contents.data + entry.begin);
    sizes_.push_back(entry.end - entry.begin);
    tensors_.push_back({std::move(entry.name), std::move(entry.dtype), std::move(entry.shape)});
  }
}

const TensorInfo& Safetensors::info(std::string_view name) const {
  const auto found = index_.find(name);
  if (found == index_.end()) refuse(file_, fmt::format("has no tensor '{}'", name));
  return tensors_[found->second];
}

std::string_view Safetensors::bytes() const { return mapped_->bytes(0, mapped_->size()); }

at::Tensor Safetensors::tensor(std::string_view name) const {
  const TensorInfo& wanted = info(name);
  const auto type = safetensors::scalar_type_of(wanted.dtype);
  if (!type) refuse(file_, fmt::format("'{}' is of dtype {}, which this LibTorch does not have", name, wanted.dtype));
  const auto options = at::TensorOptions().dtype(*type);
  const std::size_t index = index_.find(name)->second;
  char* const data = mapped_->data() + begins_[index];
  const bool aligned = reinterpret_cast<std::uintptr_t>(data) % c10::elementSize(*type) == 0;
  if (aligned && sizes_[index] > 0)
    return at::from_blob(
        data, wanted.shape, [keep = mapped_](void*) {}, options);
  const at::Tensor copy = at::empty(wanted.shape, options);  // it lies behind a tensor of a narrower type
  if (sizes_[index] > 0) std::memcpy(copy.data_ptr(), data, static_cast<std::size_t>(sizes_[index]));
  return copy;
}

void write_safetensors(const std::filesystem::path& file, const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  const safetensors::Header header = safetensors::header_of(tensors, metadata);
  try {
    const std::string first = safetensors::header_bytes(header);
    WholeFile out(file);
    out.write(first.data(), first.size());
    for (const auto& [name, tensor] : tensors) {
      const at::Tensor packed = safetensors::packed(tensor);
      out.write(packed.data_ptr(), static_cast<std::size_t>(packed.numel()) * packed.element_size());
    }
    out.commit();
  } catch (const std::runtime_error& error) {
    const std::string what = error.what();
    const bool names_it = what.find(file.string()) != std::string::npos;
    throw std::runtime_error(fmt::format("[safetensors] {}{}", names_it ? "" : file.string() + " cannot be written: ", what));
  }
}

}  // namespace muon
