#include "places.hpp"

#include <fmt/format.h>
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

std::vector<fs::path> entries(const fs::path& folder, Report* report) {
  std::error_code error;
  std::vector<fs::path> all;
  for (fs::directory_iterator i(folder, error), end; !error && i != end; i.increment(error))
    all.push_back(i->path());
  std::sort(all.begin(), all.end());
  if (report && error && error != std::errc::no_such_file_or_directory &&
      error != std::errc::not_a_directory) {
    report->failed.push_back(
        fmt::format("[find] cannot read the folder '{}'; got {}; check that you may read it",
                    folder.string(), error.message()));
  }
  return all;
}

bool regular(const fs::path& file) {
  std::error_code ignored;
  return fs::is_regular_file(file, ignored);
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
  std::string name;
  for (const char c : path.string()) {
    const bool kept = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80 && byte < 0xC0) continue;  // goes on with a character that was counted
    name += kept ? std::string(1, c) : byte >= 0xF0 ? "--" : "-";
  }
  return name;
}

std::string folded_slug(const fs::path& path) {
  std::string name = slug(path);
  const auto end =
      std::unique(name.begin(), name.end(), [](char a, char b) { return a == '-' && b == '-'; });
  name.erase(end, name.end());
  if (name.ends_with('-')) name.pop_back();
  return name.starts_with('-') ? name.substr(1) : name;
}

}  // namespace dialogue
