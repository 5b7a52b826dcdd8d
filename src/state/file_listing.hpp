// Lists the tensors of a model file: names, types, shapes and ties, in one pass over one mapping.
#pragma once

#include "files/mapped_file.hpp"
#include "plan/describe_names.hpp"
#include "state/formats/zip_reader.hpp"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace muon {

/// A mapped file of known kind.
struct OpenedFile {
  enum class Kind { safetensors, index, torch_save, torch_script };

  /// Errors   std::runtime_error naming the file: it cannot be read, or is a damaged zip file. Any
  ///          other file counts as torch_save, and listing it reports that it is none of the known
  ///          formats.
  explicit OpenedFile(const std::filesystem::path& file);

  std::filesystem::path path;
  std::shared_ptr<MappedFile> mapped;
  std::unique_ptr<ZipReader> zip;  ///< null if the file is not a zip file
  Kind kind = Kind::torch_save;
};

struct FileListing {
  std::string format;  ///< as in ModelFile
  /// including buffers; each tensor once, with all names under which it is tied
  std::vector<NamedTensor> tensors;
};

/// Lists any file but a TorchScript module, which only LibTorch can read. `key` names a dict in a
/// file of torch.save.
/// Errors   std::runtime_error naming the file, as all here; see describe_file.
FileListing list_file(OpenedFile file, const std::string& key);

/// Throws std::runtime_error. Control characters in the file's name and in `what` are escaped.
[[noreturn]] void refuse_model_file(const std::filesystem::path& file, const std::string& what);

}  // namespace muon
