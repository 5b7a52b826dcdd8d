#include "run_files.hpp"

#include "tfrecord.hpp"
#include "wandb_log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <optional>
#include <stdexcept>

namespace muon::track {
namespace {

namespace fs = std::filesystem;

std::optional<Format> format_by_name(const fs::path& file) {
  const std::string name = file.filename().string();
  if (name.ends_with(".wandb")) return Format::wandb;
  if (name.ends_with(".jsonl")) return Format::jsonl;
  if (name.find("tfevents") != std::string::npos) return Format::tensorboard;
  return std::nullopt;
}

std::optional<Format> format_by_bytes(const fs::path& file) {
  const std::string bytes = GrowingFile(file).read();
  if (bytes.starts_with(wandb_log::file_header)) return Format::wandb;
  if (bytes.starts_with('{')) return Format::jsonl;
  try {
    tfrecord::Reader reader;
    reader.feed(bytes);
    if (reader.next()) return Format::tensorboard;
  } catch (const std::runtime_error&) {
  }
  return std::nullopt;
}

/// What files of one run have in common: W&B's id, which is in the name; the folder of event files; the first line's id.
std::string run_of(Format format, const fs::path& file) {
  if (format == Format::wandb) return file.filename().string();
  if (format == Format::tensorboard) return file.parent_path().string();
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  const auto begin = line.find("\"id\":\"");
  return begin == std::string::npos ? file.string() : line.substr(begin, line.find('"', begin + 6) - begin);
}

/// W&B's folders and event files have the time in their names; later parts of JSON lines a number.
bool written_before(const fs::path& a, const fs::path& b) {
  std::error_code error;
  const auto at = fs::last_write_time(a, error), bt = fs::last_write_time(b, error);
  return at != bt ? at < bt : a < b;
}

}  // namespace

RunFiles find_run_files(const fs::path& path) {
  if (!fs::exists(path)) throw std::runtime_error(fmt::format("[track] {} is not there", path.string()));
  if (!fs::is_directory(path)) {
    if (const auto format = format_by_bytes(path)) return {*format, {path}};
    if (const auto format = format_by_name(path); format && fs::file_size(path) == 0) return {*format, {path}};
    throw std::runtime_error(
        fmt::format("[track] {} is no run: not W&B's .wandb, TensorBoard's event file, or .jsonl", path.string()));
  }
  std::map<Format, std::vector<fs::path>> found;
  const auto skip = fs::directory_options::skip_permission_denied;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(path, skip, error), end; !error && entry != end; entry.increment(error)) {
    if (entry.depth() >= 3) entry.disable_recursion_pending();
    if (!entry->is_regular_file(error)) continue;
    if (const auto format = format_by_name(entry->path())) found[*format].push_back(entry->path());
  }
  if (found.empty()) {
    throw std::runtime_error(
        fmt::format("[track] {} holds no run: no W&B log (*.wandb), no *.jsonl, no TensorBoard events", path.string()));
  }
  auto& [format, files] = *found.begin();
  std::sort(files.begin(), files.end(), written_before);
  const std::string newest = run_of(format, files.back());
  std::erase_if(files, [&](const fs::path& file) { return run_of(format, file) != newest; });
  return {format, files};
}

std::string GrowingFile::read() {
  errno = 0;
  std::ifstream in(file_, std::ios::binary);
  if (!in) throw std::runtime_error(fmt::format("[track] {} cannot be read: {}", file_.string(), std::strerror(errno)));
  in.seekg(static_cast<std::streamoff>(offset_));
  std::string bytes(std::size_t{1} << 20, '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(in.gcount()));
  offset_ += bytes.size();
  return bytes;
}

}  // namespace muon::track
