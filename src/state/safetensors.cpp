#include <muon/state/safetensors.hpp>

#include "files/atomic_file.hpp"
#include "files/mapped_file.hpp"
#include "files/safetensors_header.hpp"
#include "files/safetensors_tensors.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cstring>
#include <stdexcept>

namespace muon {
namespace {

[[noreturn]] void refuse(const std::string& file, const std::string& what) {
  throw std::runtime_error(fmt::format("[safetensors] {}: {}", file, what));
}

}  // namespace

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
    AtomicFile out(file);
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
