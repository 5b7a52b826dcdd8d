#include "state/formats/python_file.hpp"

#include "files/printable.hpp"
#include "files/safetensors_tensors.hpp"

#include <ATen/ATen.h>
#include <c10/util/accumulate.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace muon {
namespace {

using pickle::Value;
using Kind = Value::Kind;

struct Type {
  std::string_view storage, dtype, safetensors;
};

// PyTorch's names of a typed storage and of a dtype
constexpr std::array<Type, 18> types{{{"FloatStorage", "float32", "F32"},
                                      {"DoubleStorage", "float64", "F64"},
                                      {"HalfStorage", "float16", "F16"},
                                      {"BFloat16Storage", "bfloat16", "BF16"},
                                      {"LongStorage", "int64", "I64"},
                                      {"IntStorage", "int32", "I32"},
                                      {"ShortStorage", "int16", "I16"},
                                      {"CharStorage", "int8", "I8"},
                                      {"ByteStorage", "uint8", "U8"},
                                      {"BoolStorage", "bool", "BOOL"},
                                      {"ComplexFloatStorage", "complex64", "C64"},
                                      {"", "uint16", "U16"},
                                      {"", "uint32", "U32"},
                                      {"", "uint64", "U64"},
                                      {"", "float8_e4m3fn", "F8_E4M3"},
                                      {"", "float8_e5m2", "F8_E5M2"},
                                      {"", "float8_e4m3fnuz", "F8_E4M3FNUZ"},
                                      {"", "float8_e5m2fnuz", "F8_E5M2FNUZ"}}};

std::shared_ptr<MappedFile> map_python_file(const std::filesystem::path& file) {
  try {
    return std::make_shared<MappedFile>(file);
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(fmt::format("[python_state] {}", printable(error.what())));
  }
}

/// The index of the last value of its storage that a tensor uses; -1 for an empty tensor. Sizes and
/// strides are at least 0.
std::int64_t last_value(const pickle::Tensor& tensor) {
  std::int64_t last = tensor.offset;
  for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
    if (tensor.shape[i] == 0) return -1;
    std::int64_t way = 0;
    if (__builtin_mul_overflow(tensor.shape[i] - 1, tensor.stride[i], &way) ||
        __builtin_add_overflow(last, way, &last)) {
      throw std::runtime_error("a tensor's sizes overflow");
    }
  }
  return last;
}

}  // namespace

std::string dtype_of(const pickle::Tensor& tensor) {
  for (const Type& type : types) {
    const bool same =
        tensor.dtype.empty() ? type.storage == tensor.storage.type : type.dtype == tensor.dtype;
    if (same) return std::string(type.safetensors);
  }
  return "?";
}

void PythonFile::fail(const std::string& what) const {
  throw std::runtime_error(
      fmt::format("[{}] {}: {}", where_, printable(name_), printable_lines(what)));
}

void PythonFile::fail_unchanged(const std::string& what) const {
  fail(fmt::format("does not fit; nothing was changed:\n  {}", what));
}

PythonFile::PythonFile(const std::filesystem::path& file)
    : PythonFile("python_state", file.string(), map_python_file(file), nullptr) {}

PythonFile::PythonFile(std::string where, std::string name, std::shared_ptr<MappedFile> mapped,
                       std::unique_ptr<ZipReader> zip)
    : where_(std::move(where)),
      name_(std::move(name)),
      mapped_(std::move(mapped)),
      zip_(std::move(zip)) {
  const std::string_view bytes = mapped_->bytes(0, mapped_->size());
  if (!bytes.starts_with("PK")) {
    const bool old = bytes.starts_with("\x80\x02") || bytes.starts_with("\x80\x04");
    fail(old ? "is of torch.save's format before PyTorch 1.6; load and save it again in Python"
             : "is not a file of torch.save");
  }
  try {
    if (!zip_) zip_ = std::make_unique<ZipReader>(bytes);
    const std::string data = zip_->find("data.pkl");
    if (data.empty())
      throw std::runtime_error("a zip file without data.pkl is not one of torch.save");
    if (!zip_->find("constants.pkl").empty())
      throw std::runtime_error("is a TorchScript module; torch::jit::load reads those");
    folder_ = data.substr(0, data.size() - std::string_view("data.pkl").size());
    if (zip_->contains(folder_ + "byteorder") && zip_->entry(folder_ + "byteorder") != "little")
      throw std::runtime_error("was written on a big-endian machine");
    document_ = pickle::parse(zip_->entry(data));
  } catch (const std::runtime_error& error) {
    fail(printable(error.what()));
  }
}

const Value& PythonFile::at(const std::string& key) const {
  const Value* value = &document_.root;
  std::string_view rest = key;
  while (!rest.empty()) {
    const auto dot = rest.find('.');
    const std::string_view part = rest.substr(0, dot);
    const Value* const next = document_.find(*value, part);
    if (next == nullptr) {
      std::vector<std::string_view> known;
      if (value->is(Kind::dict)) {
        const auto& items = document_.items(*value);
        for (std::size_t i = 0; i < items.size() && known.size() < 10; i += 2)
          known.push_back(items[i].is(Kind::text) ? items[i].text : "?");
      }
      fail(printable(fmt::format("has no '{}'; there is: {}", part, fmt::join(known, ", "))));
    }
    value = next;
    rest = dot == std::string_view::npos ? std::string_view() : rest.substr(dot + 1);
  }
  return *value;
}

std::vector<std::pair<std::string, Value>> PythonFile::tensors_in(const Value& dict) const {
  if (!dict.is(Kind::dict)) fail("holds no dict there");
  std::vector<std::pair<std::string, Value>> tensors;
  std::unordered_map<std::string_view, std::size_t> known;
  const auto& items = document_.items(dict);
  for (std::size_t i = 0; i < items.size(); i += 2) {
    if (!items[i].is(Kind::text) || !items[i + 1].is(Kind::tensor)) continue;
    const auto [place, is_new] = known.emplace(items[i].text, tensors.size());
    if (is_new) {
      tensors.emplace_back(items[i].text, items[i + 1]);
    } else {
      tensors[place->second].second = items[i + 1];
    }
  }
  return tensors;
}

at::Tensor PythonFile::tensor(const Value& value) const {
  if (!value.is(Kind::tensor)) fail("a tensor is expected where none is");
  const pickle::Tensor& wanted = description(value);
  const auto type = safetensors::scalar_type_of(dtype_of(wanted));
  if (!type)
    fail(fmt::format("a tensor of {} {}, which this LibTorch does not have", wanted.storage.type,
                     wanted.dtype));
  const auto options = at::TensorOptions().dtype(*type);
  try {
    const std::int64_t last = last_value(wanted);
    if (last < 0) return at::empty(wanted.shape, options);
    const std::string_view bytes =
        zip_->entry(fmt::format("{}data/{}", folder_, wanted.storage.key));
    const std::size_t size = c10::elementSize(*type);
    if (static_cast<std::uint64_t>(last) >= bytes.size() / size)
      throw std::runtime_error("a tensor reaches beyond its storage");
    char* const data = mapped_->data() + (bytes.data() - mapped_->data()) +
                       static_cast<std::size_t>(wanted.offset) * size;
    if (reinterpret_cast<std::uintptr_t>(data) % size == 0) {
      return at::from_blob(
          data, wanted.shape, wanted.stride, [keep = mapped_](void*) {}, options);
    }
    // torch.save aligns storages; others may not. The copy must not be larger than the storage.
    if (c10::multiply_integers(wanted.shape) > static_cast<std::int64_t>(bytes.size() / size))
      throw std::runtime_error("a tensor repeats its storage, which is not aligned");
    std::vector<char> moved(bytes.begin(), bytes.end());
    return at::from_blob(moved.data() + static_cast<std::size_t>(wanted.offset) * size,
                         wanted.shape, wanted.stride, options)
        .clone();
  } catch (const std::exception& error) {
    fail(error.what());
  }
}

}  // namespace muon
