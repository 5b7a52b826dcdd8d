// Which tensors a model's file holds: names, types, shapes and ties, in one pass over one mapping.
#pragma once

#include "files/mapped_file.hpp"
#include "plan/describe_names.hpp"
#include "state/formats/zip_reader.hpp"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace muon {

/// A file that is mapped, and whose kind is known.
struct OpenedFile {
  enum class Kind { safetensors, index, torch_save, torch_script };

  /// Errors   std::runtime_error naming the file: it cannot be read; a damaged zip file. What is
  ///          none of the kinds is taken for torch_save, and listing it reports what it is not.
  explicit OpenedFile(const std::filesystem::path& file);

  std::filesystem::path path;
  std::shared_ptr<MappedFile> mapped;
  std::unique_ptr<ZipReader> zip;  ///< null if the file is not a zip file
  Kind kind = Kind::torch_save;
};

struct FileListing {
  std::string format;  ///< as in ModelFile
  /// all of them, buffers too; each tensor once, with the names it is tied under
  std::vector<NamedTensor> tensors;
};

/// Lists any file but a TorchScript module, which only LibTorch can read. `key` names a dict in a
/// file of torch.save.
/// Errors   std::runtime_error naming the file, as all here; see describe_file.
FileListing list_file(OpenedFile file, const std::string& key);

/// Throws std::runtime_error. Neither the file's name nor `what` can bring control characters into
/// it.
[[noreturn]] void refuse_model_file(const std::filesystem::path& file, const std::string& what);

}  // namespace muon
