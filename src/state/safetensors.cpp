#include <muon/state/safetensors.hpp>

#include "files/atomic_file.hpp"
#include "files/safetensors_header.hpp"
#include "files/safetensors_tensors.hpp"
#include "state/safetensors_file.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cstddef>
#include <cstring>
#include <stdexcept>

namespace muon {
namespace {

[[noreturn]] void refuse(const std::string& file, const std::string& what) {
  throw std::runtime_error(fmt::format("[Safetensors] {}: {}", file, what));
}

std::shared_ptr<MappedFile> map(const std::filesystem::path& file) {
  try {
    return std::make_shared<MappedFile>(file);
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(fmt::format("[Safetensors] {}", error.what()));
  }
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& file)
    : file_(file.string()), mapped_(map(file)) {
  safetensors::Contents contents;
  try {
    contents = safetensors::read(bytes());
  } catch (const std::runtime_error& error) {
    refuse(file_, error.what());
  }
  metadata_ = std::move(contents.header.metadata);
  for (safetensors::Entry& entry : contents.header.entries) {
    places_.emplace(entry.name,
                    Place{tensors_.size(), contents.data + entry.begin, entry.end - entry.begin});
    tensors_.push_back({std::move(entry.name), std::move(entry.dtype), std::move(entry.shape)});
  }
}

const SafetensorsFile::Place& SafetensorsFile::place(std::string_view name) const {
  const auto found = places_.find(name);
  if (found == places_.end()) refuse(file_, fmt::format("has no tensor '{}'", name));
  return found->second;
}

const TensorInfo& SafetensorsFile::info(std::string_view name) const {
  return tensors_[place(name).index];
}

at::Tensor SafetensorsFile::tensor(std::string_view name) const {
  const Place& there = place(name);
  const TensorInfo& wanted = tensors_[there.index];
  const auto type = safetensors::scalar_type_of(wanted.dtype);
  if (!type)
    refuse(file_, fmt::format("'{}' is of dtype {}, which this LibTorch does not have", name,
                              wanted.dtype));
  const auto options = at::TensorOptions().dtype(*type);
  char* const data = mapped_->data() + there.begin;
  const bool aligned = reinterpret_cast<std::uintptr_t>(data) % c10::elementSize(*type) == 0;
  if (aligned && there.bytes > 0)
    return at::from_blob(
        data, wanted.shape, [keep = mapped_](void*) {}, options);
  // the tensor before it may have a narrower type
  const at::Tensor copy = at::empty(wanted.shape, options);
  if (there.bytes > 0) std::memcpy(copy.data_ptr(), data, static_cast<std::size_t>(there.bytes));
  return copy;
}

std::string first_bytes(const std::filesystem::path& file, const NamedTensorList& tensors,
                        const std::map<std::string, std::string>& metadata) {
  const safetensors::Header header = safetensors::header_of(tensors, metadata);
  try {
    return safetensors::header_bytes(header);
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(fmt::format("{} cannot be written: {}", file.string(), error.what()));
  }
}

Safetensors::Safetensors(const std::filesystem::path& file)
    : file_(std::make_shared<const SafetensorsFile>(file)) {}
const std::vector<TensorInfo>& Safetensors::tensors() const { return file_->tensors(); }
bool Safetensors::contains(std::string_view name) const { return file_->contains(name); }
const TensorInfo& Safetensors::info(std::string_view name) const { return file_->info(name); }
const std::map<std::string, std::string>& Safetensors::metadata() const {
  return file_->metadata();
}
at::Tensor Safetensors::tensor(std::string_view name) const { return file_->tensor(name); }

void write_safetensors(const std::filesystem::path& file,
                       const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  try {
    const std::string first = first_bytes(file, tensors, metadata);
    AtomicFile out(file);
    out.write(first.data(), first.size());
    safetensors::each_tensors_bytes(
        tensors, [&](const void* bytes, std::size_t count) { out.write(bytes, count); });
    out.commit();
  } catch (const c10::Error& error) {
    throw std::runtime_error(fmt::format("[safetensors] {} cannot be written: {}", file.string(),
                                         error.what_without_backtrace()));
  } catch (const std::runtime_error& error) {  // names the file
    throw std::runtime_error(fmt::format("[safetensors] {}", error.what()));
  }
}

}  // namespace muon
