#include "places.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>

namespace dialogue {

namespace fs = std::filesystem;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

fs::path home() {
  const std::string folder = environment("HOME");
  return folder.empty() ? "/" : folder;
}

std::vector<fs::path> entries(const fs::path& folder) {
  std::vector<fs::path> all;
  std::error_code error;
  for (fs::directory_iterator i(folder, error), end; !error && i != end; i.increment(error)) all.push_back(i->path());
  std::sort(all.begin(), all.end());
  return all;
}

std::optional<Millis> modified(const fs::path& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) return std::nullopt;
  return Millis{status.st_mtim.tv_sec} * 1000 + status.st_mtim.tv_nsec / 1'000'000;
}

fs::path resolved(const fs::path& path) {
  std::error_code error;
  fs::path full = fs::weakly_canonical(fs::absolute(path, error), error);
  if (error) full = path.lexically_normal();
  return full.has_filename() ? full : full.parent_path();
}

std::string slug(const fs::path& path) {
  std::string name = path.string();
  for (char& c : name) {
    const bool kept = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (!kept) c = '-';
  }
  return name;
}

}  // namespace dialogue
