#include "cli/output_file.hpp"

#include "files/atomic_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string_view>

namespace cli {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& file, const char* what) {
  throw std::runtime_error(fmt::format("{} {}: {}", file.string(), what, std::strerror(errno)));
}

fs::path folder_of(const fs::path& file) { return file.has_parent_path() ? file.parent_path() : fs::path("."); }

struct Target {
  fs::path file;  // behind any links
  bool direct;    // a device, a pipe, or a name for one of this process's own files: there is nothing to rename over
};

Target resolve(fs::path file) {
  const auto is_special = [](const fs::path& path) { return path.lexically_normal().string().starts_with("/proc/"); };
  std::error_code error;
  for (int links = 0; links < 40 && !is_special(file) && fs::is_symlink(fs::symlink_status(file, error)); ++links) {
    file = folder_of(file) / fs::read_symlink(file, error);
  }
  const bool other = fs::exists(file, error) && !fs::is_regular_file(file, error);
  return {file, is_special(file) || other};
}

/// The descriptor itself where the name is one of this process's (/dev/stdout): opened anew, a file would be written from its
/// start.
int open_directly(const fs::path& file) {
  constexpr std::string_view own = "/proc/self/fd/";
  const std::string text = file.lexically_normal().string();
  if (text.starts_with(own)) return ::dup(std::atoi(text.c_str() + own.size()));
  return ::open(file.c_str(), O_WRONLY | O_CLOEXEC);
}

void write_directly(const fs::path& file, const std::string& text) {
  std::fflush(stdout);  // in order with what was printed before
  std::FILE* const out = ::fdopen(open_directly(file), "w");
  if (out == nullptr) fail(file, "cannot be written");
  const bool written = std::fwrite(text.data(), 1, text.size(), out) == text.size();
  if (std::fclose(out) != 0 || !written) fail(file, "cannot be written");
}

}  // namespace

void write_file(const fs::path& name, const std::string& text) {
  const auto [file, direct] = resolve(name);
  if (direct) return write_directly(file, text);
  muon::AtomicFile out(file);
  out.write(text.data(), text.size());
  out.commit();
}

void check_writable(const fs::path& name) {
  const auto [file, direct] = resolve(name);
  const fs::path folder = folder_of(file);
  std::error_code error;
  if (fs::is_directory(file, error)) throw std::runtime_error(fmt::format("{} is a folder; give a file", file.string()));
  if (!fs::is_directory(folder, error)) {
    throw std::runtime_error(fmt::format("{} is not a folder, so {} cannot be written", folder.string(), file.string()));
  }
  if (::access(direct ? file.c_str() : folder.c_str(), W_OK) != 0) fail(file, "cannot be written");
}

}  // namespace cli
