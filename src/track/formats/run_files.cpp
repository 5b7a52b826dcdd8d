#include "track/formats/run_files.hpp"

#include "track/formats/tfrecord.hpp"
#include "track/formats/wandb_log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <system_error>

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

/// A file that may belong to a run.
struct Candidate {
  Format format;
  fs::path file;
  std::string run;    // equal for all files of a run
  std::string order;  // sorts in the order of writing
};

/// JSON lines have both in the first line. W&B has the id in the file's name and the time in the
/// folder's; event files of a run lie in one folder and have the time in their names.
Candidate candidate(Format format, const fs::path& file) {
  if (format == Format::wandb)
    return {format, file, file.filename().string(), file.parent_path().filename().string()};
  if (format == Format::tensorboard)
    return {format, file, file.parent_path().string(), file.filename().string()};
  std::ifstream in(file);
  std::string line(4096, '\0');
  in.read(line.data(), static_cast<std::streamsize>(line.size()));
  const auto after = [&](std::string_view key, char end) {
    const auto begin = line.find(key);
    if (begin == std::string::npos) return std::string();
    return line.substr(begin + key.size(), line.find(end, begin + key.size()) - begin - key.size());
  };
  const std::string id = after("\"id\":\"", '"');
  return {format, file, id.empty() ? file.string() : id,
          fmt::format("{:020.6f}", std::atof(after("\"start\":", '}').c_str()))};
}

/// The newest run in its preferred format: a run may exist in several formats, and beside older
/// runs.
Format newest_format(const std::map<Format, std::vector<fs::path>>& found) {
  std::map<Format, fs::file_time_type> times;
  std::error_code error;
  for (const auto& [format, files] : found) {
    for (const fs::path& file : files)
      times[format] = std::max(times.emplace(format, fs::file_time_type::min()).first->second,
                               fs::last_write_time(file, error));
  }
  fs::file_time_type newest = fs::file_time_type::min();
  for (const auto& [format, time] : times) newest = std::max(newest, time);
  for (const auto& [format, time] : times) {
    if (newest - time < std::chrono::minutes(1)) return format;
  }
  return found.begin()->first;
}

}  // namespace

RunFiles find_run_files(const fs::path& path) {
  if (!fs::exists(path))
    throw std::runtime_error(fmt::format("[track] {} is not there", path.string()));
  if (!fs::is_directory(path)) {
    if (const auto format = format_by_bytes(path)) return {*format, {path}};
    if (const auto format = format_by_name(path); format && fs::file_size(path) == 0)
      return {*format, {path}};
    throw std::runtime_error(fmt::format(
        "[track] {} is not a run: neither W&B's .wandb, nor TensorBoard's event file, nor .jsonl",
        path.string()));
  }
  std::map<Format, std::vector<fs::path>> found;
  const auto skip = fs::directory_options::skip_permission_denied;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(path, skip, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry.depth() >= 3) entry.disable_recursion_pending();
    if (!entry->is_regular_file(error)) continue;
    if (const auto format = format_by_name(entry->path())) found[*format].push_back(entry->path());
  }
  if (found.empty()) {
    throw std::runtime_error(fmt::format(
        "[track] {} holds no run: no W&B log (*.wandb), no *.jsonl, no TensorBoard events",
        path.string()));
  }
  const Format format = newest_format(found);
  std::vector<Candidate> candidates;
  for (const fs::path& file : found[format]) candidates.push_back(candidate(format, file));
  std::sort(candidates.begin(), candidates.end(),
            [](const auto& a, const auto& b) { return a.order < b.order; });
  RunFiles run{format, {}};
  for (const Candidate& one : candidates) {
    if (one.run == candidates.back().run) run.files.push_back(one.file);
  }
  return run;
}

std::string GrowingFile::read() {
  errno = 0;
  std::ifstream in(file_, std::ios::binary);
  if (!in)
    throw std::runtime_error(
        fmt::format("[track] {} cannot be read: {}", file_.string(), std::strerror(errno)));
  in.seekg(0, std::ios::end);
  const auto size = static_cast<std::uint64_t>(std::max<std::streamoff>(in.tellg(), 0));
  if (size < offset_) throw std::runtime_error("has become shorter while it was read");
  in.seekg(static_cast<std::streamoff>(offset_));
  std::string bytes(std::size_t{1} << 20, '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(in.gcount()));
  offset_ += bytes.size();
  return bytes;
}

}  // namespace muon::track
