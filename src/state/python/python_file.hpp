// A file of torch.save: zip, pickle and storages, as tensors over the mapped file.
#pragma once

#include "files/mapped_file.hpp"
#include "state/formats/pickle.hpp"
#include "state/formats/zip_reader.hpp"

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace muon {

class PythonFile {
 public:
  /// Errors   std::runtime_error naming the file, as all here: not of torch.save, of its format before 1.6, TorchScript, damaged,
  ///          a global that is not allowed.
  explicit PythonFile(const std::filesystem::path& file);

  const pickle::Document& document() const { return document_; }
  /// "a.b" in dicts of dicts; the whole for "".
  const pickle::Value& at(const std::string& key) const;
  /// Names and tensors of a dict; values that are no tensors are left out.
  std::vector<std::pair<std::string, pickle::Value>> tensors_in(const pickle::Value& dict) const;
  const pickle::Tensor& description(const pickle::Value& tensor) const { return document_.tensors[tensor.index]; }
  /// Checks that it lies within its storage, and the storage in the file.
  at::Tensor tensor(const pickle::Value& value) const;
  [[noreturn]] void fail(const std::string& what) const;
  /// It is whole, and does not fit what it is to be read into.
  [[noreturn]] void fail_unchanged(const std::string& what) const;

 private:
  std::string name_;
  std::shared_ptr<MappedFile> mapped_;
  std::unique_ptr<ZipReader> zip_;
  std::string folder_;  // in the zip, with the slash
  pickle::Document document_;
};

/// The dtype of a pickled tensor in safetensors' words, "F32"; "?" if it is unknown.
std::string dtype_of(const pickle::Tensor& tensor);

/// Whether a zip file is a TorchScript module rather than a state_dict.
bool is_torch_script(const std::filesystem::path& file);

}  // namespace muon
