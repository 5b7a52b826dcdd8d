#include <muon/state/model_file.hpp>

#include <muon/state/checkpoint.hpp>

#include "files/safetensors_tensors.hpp"
#include "files/sizes.hpp"
#include "matrix/shape_text.hpp"
#include "state/file_listing.hpp"

#include <caffe2/serialize/read_adapter_interface.h>
#include <fmt/format.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <string_view>
#include <utility>

namespace muon {
namespace {

namespace fs = std::filesystem;

/// `path` itself, or the file that holds the model if it is a folder.
fs::path file_in(const fs::path& path) {
  if (!fs::is_directory(path)) return path;
  for (const char* name :
       {"model.safetensors.index.json", "model.safetensors", "pytorch_model.bin"}) {
    if (fs::exists(path / name)) return path / name;
  }
  for (const fs::path& folder : {path, path / "checkpoints"}) {
    if (const auto newest = latest_checkpoint(folder)) return *newest;
  }
  refuse_model_file(path, "is a folder without model.safetensors or its index; give a file");
}

void skip(ModelFile& model, const NamedTensor& tensor) {
  model.skipped.push_back({tensor.name, tensor.dtype, tensor.shape});
  for (const std::string& alias : tensor.aliases)
    model.skipped.push_back({alias, tensor.dtype, tensor.shape});
}

ModelFile describe_listing(FileListing listing) {
  NamedModel named = describe_names(listing.tensors);
  ModelFile model{std::move(listing.format), std::move(named.parameters), {}};
  for (const NamedTensor& tensor : named.skipped) skip(model, tensor);
  return model;
}

// ---- TorchScript ----

/// Lets LibTorch read the file through the existing mapping.
class MappedReader : public caffe2::serialize::ReadAdapterInterface {
 public:
  explicit MappedReader(std::shared_ptr<MappedFile> mapped) : mapped_(std::move(mapped)) {}

  std::size_t size() const override { return static_cast<std::size_t>(mapped_->size()); }
  std::size_t read(std::uint64_t pos, void* buffer, std::size_t count, const char*) const override {
    const std::string_view bytes = mapped_->bytes(std::min(pos, mapped_->size()), count);
    if (!bytes.empty()) std::memcpy(buffer, bytes.data(), bytes.size());
    return bytes.size();
  }

 private:
  std::shared_ptr<MappedFile> mapped_;
};

torch::jit::Module load_script(const OpenedFile& file) {
  std::string problem;
  try {
    return torch::jit::load(std::make_shared<MappedReader>(file.mapped), at::kCPU);
  } catch (const c10::Error& error) {
    problem = error.what_without_backtrace();
  } catch (const std::exception& error) {  // from the parser, for invalid TorchScript
    problem = error.what();
  }
  std::replace(problem.begin(), problem.end(), '\n', ' ');
  refuse_model_file(file.path,
                    fmt::format("LibTorch cannot load this TorchScript module: {}", problem));
}

std::string dtype_text(const at::Tensor& tensor) {
  const char* const known = safetensors::dtype_of(tensor.scalar_type());
  return known != nullptr ? known : c10::toString(tensor.scalar_type());
}

ModelFile describe_script(const OpenedFile& file) {
  const torch::jit::Module module = load_script(file);
  ModelFile model{"TorchScript", {}, {}};
  for (Parameter& parameter : describe(module)) {
    if (!extent_of_sizes(parameter.shape)) {
      refuse_model_file(
          file.path, fmt::format("'{}' has shape {}, which has more values than 64 bits can count",
                                 parameter.name, shape_text(parameter.shape)));
    }
    const at::Tensor tensor = std::exchange(parameter.tensor, at::Tensor());
    if (at::isFloatingType(tensor.scalar_type())) {
      model.parameters.push_back(std::move(parameter));
    } else {
      skip(model, {parameter.name, dtype_text(tensor), parameter.shape, parameter.aliases});
    }
  }
  for (const auto& buffer : module.named_buffers()) {
    skip(model, {buffer.name, dtype_text(buffer.value), buffer.value.sizes().vec(), {}});
  }
  return model;
}

}  // namespace

ModelFile describe_file(const fs::path& path, const std::string& key) {
  OpenedFile file(file_in(path));
  return file.kind == OpenedFile::Kind::torch_script
             ? describe_script(file)
             : describe_listing(list_file(std::move(file), key));
}

}  // namespace muon
