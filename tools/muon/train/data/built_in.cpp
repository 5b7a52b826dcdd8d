#include "train/data/built_in.hpp"

#include <system_error>

namespace cli {

std::filesystem::path built_in_folder(const std::string& name) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  const fs::path installed = program.parent_path().parent_path() / "share/muon" / name;
  if (!error && fs::exists(installed, error)) return installed;
  return fs::path(MUON_SOURCE_DATA) / name;
}

}  // namespace cli
