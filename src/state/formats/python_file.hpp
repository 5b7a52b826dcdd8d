// A file of torch.save: zip, pickle and storages, as tensors in the mapped file.
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
  /// Errors   std::runtime_error naming the file, as everywhere in this class: not a file of
  ///          torch.save, written before PyTorch 1.6, TorchScript, damaged, a global that is not
  ///          allowed.
  explicit PythonFile(const std::filesystem::path& file);
  /// The same for a file that is already mapped; `zip` is its directory if that has been read, else
  /// null. `where` is the tag of the errors: the header whose function reads the file.
  PythonFile(std::string where, std::string name, std::shared_ptr<MappedFile> mapped,
             std::unique_ptr<ZipReader> zip);

  const pickle::Document& document() const { return document_; }
  /// The value under a key: "a.b" in dicts of dicts, "" for the whole document.
  const pickle::Value& at(const std::string& key) const;
  /// Names and tensors of a dict. Values that are not tensors are skipped; of equal names the last
  /// counts, as in Python.
  std::vector<std::pair<std::string, pickle::Value>> tensors_in(const pickle::Value& dict) const;
  const pickle::Tensor& description(const pickle::Value& tensor) const {
    return document_.tensors[tensor.index];
  }
  /// The tensor, after checking that it lies within its storage, and the storage within the file.
  at::Tensor tensor(const pickle::Value& value) const;
  [[noreturn]] void fail(const std::string& what) const;
  /// For an intact file that does not fit what it is read into.
  [[noreturn]] void fail_unchanged(const std::string& what) const;

 private:
  std::string where_;  // the tag of errors
  std::string name_;
  std::shared_ptr<MappedFile> mapped_;
  std::unique_ptr<ZipReader> zip_;
  std::string folder_;  // in the zip file, with the slash
  pickle::Document document_;
};

/// The dtype of a pickled tensor under its safetensors name, such as "F32"; "?" if unknown.
std::string dtype_of(const pickle::Tensor& tensor);

}  // namespace muon
