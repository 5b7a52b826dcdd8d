#include "state/checkpoint_file.hpp"

#include "files/atomic_file.hpp"
#include "files/folders.hpp"
#include "files/safetensors_tensors.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <torch/version.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <functional>
#include <stdexcept>
#include <system_error>
#include <tuple>

namespace muon::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr int format_version = 1;
constexpr std::string_view format_name = "muon.cpp checkpoint";
constexpr std::string_view extension = ".safetensors";

// In the header's metadata, over the whole file with these digits as zeros. Inside a text quotes are escaped, so the mark cannot
// occur there.
constexpr std::string_view checksum_mark = "\"checksum\":\"crc32:";
constexpr std::string_view no_checksum = "00000000";

[[noreturn]] void refuse(const fs::path& file, const std::string& what) {
  throw std::runtime_error(fmt::format("[checkpoint] {} {}", file.string(), what));
}

uLong add_to_checksum(uLong sum, const void* bytes, std::size_t count) {
  return crc32_z(sum, static_cast<const Bytef*>(bytes), count);
}

fs::path file_for(const fs::path& folder, std::int64_t step) { return folder / fmt::format("step-{:08}{}", step, extension); }

/// The step in a name that `file_for` made; -1 for others.
std::int64_t step_of(const fs::path& file) {
  const std::string name = file.filename().string();
  if (!name.starts_with("step-") || !name.ends_with(extension)) return -1;
  const std::string_view digits = std::string_view(name).substr(5, name.size() - 5 - extension.size());
  std::int64_t step = -1;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), step);
  return error == std::errc() && end == digits.data() + digits.size() ? step : -1;
}

/// A folder's checkpoints, that written last first: a run that went back to an earlier step has lower numbers than what it left.
std::vector<fs::path> checkpoints_in(const fs::path& folder) {
  std::vector<std::tuple<fs::file_time_type, std::int64_t, fs::path>> found;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const std::int64_t step = step_of(entry->path());
    if (step >= 0 && entry->is_regular_file(error)) found.emplace_back(entry->last_write_time(error), step, entry->path());
  }
  std::sort(found.begin(), found.end(), std::greater<>());
  std::vector<fs::path> files;
  for (auto& [time, step, file] : found) files.push_back(std::move(file));
  return files;
}

/// The process that a temporary file's name tells has ended: "...safetensors.1234-0.tmp".
bool is_left(const std::string& name) {
  const auto begin = std::min(name.find(extension) + extension.size() + 1, name.size());
  int process = 0;
  const auto [end, error] = std::from_chars(name.data() + begin, name.data() + name.size(), process);
  return error == std::errc() && process > 0 && process != ::getpid() && ::kill(process, 0) != 0 && errno == ESRCH;
}

/// Temporary files that a killed process left.
void remove_leftovers(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> leftovers;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with("step-") && name.ends_with(".tmp") && name.find(extension) != std::string::npos && is_left(name))
      leftovers.push_back(entry->path());
  }
  for (const fs::path& file : leftovers) fs::remove(file, error);
}

void write_file(const fs::path& file, const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                const std::map<std::string, std::string>& metadata) {
  std::string first = safetensors::header_bytes(safetensors::header_of(tensors, metadata));
  const std::size_t digits = first.find(checksum_mark) + checksum_mark.size();
  AtomicFile out(file);
  out.write(first.data(), first.size());
  uLong sum = add_to_checksum(0, first.data(), first.size());
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor packed = safetensors::packed(tensor);
    const std::size_t bytes = static_cast<std::size_t>(packed.numel()) * packed.element_size();
    if (bytes == 0) continue;
    out.write(packed.data_ptr(), bytes);
    sum = add_to_checksum(sum, packed.data_ptr(), bytes);
  }
  const std::string text = fmt::format("{:08x}", sum);
  out.patch(digits, text.data(), text.size());
  out.commit();
}

void check_sum(const fs::path& path, std::string_view bytes) {
  const std::size_t mark = bytes.find(checksum_mark);
  const std::size_t digits = mark + checksum_mark.size();
  if (mark == std::string_view::npos || bytes.size() - digits < no_checksum.size())
    refuse(path, "has its checksum in another form");
  uLong sum = add_to_checksum(0, bytes.data(), digits);
  sum = add_to_checksum(sum, no_checksum.data(), no_checksum.size());
  const std::size_t rest = digits + no_checksum.size();
  sum = add_to_checksum(sum, bytes.data() + rest, bytes.size() - rest);
  if (bytes.substr(digits, no_checksum.size()) != fmt::format("{:08x}", sum))
    refuse(path, "is damaged: its checksum is not that of its bytes. Take an older checkpoint");
}

/// Printing JSON recurses.
bool reasonably_nested(std::string_view text) {
  int depth = 0;
  return std::all_of(text.begin(), text.end(), [&](char c) {
    if (c == '[' || c == '{') ++depth;
    if (c == ']' || c == '}') --depth;
    return depth < 1000;
  });
}

}  // namespace

fs::path write(const fs::path& where, std::int64_t step, const std::vector<std::pair<std::string, at::Tensor>>& tensors,
               std::map<std::string, std::string> metadata, int keep) {
  metadata["format"] = format_name;
  metadata["format_version"] = std::to_string(format_version);
  metadata["library"] = "muon " MUON_VERSION ", LibTorch " TORCH_VERSION;
  metadata["checksum"] = fmt::format("crc32:{}", no_checksum);
  const bool folder = where.extension() != extension;
  const fs::path file = folder ? file_for(where, step) : where;
  if (folder) {
    try {
      make_folders(where);
    } catch (const std::runtime_error& error) {
      throw std::runtime_error(fmt::format("[checkpoint] {}", error.what()));
    }
    remove_leftovers(where);
  }
  try {
    write_file(file, tensors, metadata);
  } catch (const std::runtime_error& error) {
    const std::string what = error.what();
    const bool names_it = what.find(file.string()) != std::string::npos;
    throw std::runtime_error(fmt::format("[checkpoint] {}{}", names_it ? "" : file.string() + " cannot be written: ", what));
  }
  if (folder && keep > 0) {
    const auto all = checkpoints_in(where);
    std::error_code ignored;  // an old file that stays does no harm
    for (std::size_t i = static_cast<std::size_t>(keep); i < all.size(); ++i) {
      if (all[i] != file) fs::remove(all[i], ignored);
    }
  }
  return file;
}

fs::path newest(const fs::path& where) {
  std::error_code error;
  if (!fs::is_directory(where, error)) {
    if (!fs::exists(where, error)) refuse(where, "does not exist");
    return where;
  }
  const auto all = checkpoints_in(where);
  if (all.empty()) refuse(where, "holds no checkpoint (step-*.safetensors)");
  return all.front();
}

Safetensors open(const fs::path& path, bool verify) {
  Safetensors file(path);
  const auto& metadata = file.metadata();
  const auto format = metadata.find("format");
  if (format == metadata.end() || format->second != format_name)
    refuse(path, "is a safetensors file, but not a checkpoint of muon.cpp");
  const auto version = metadata.find("format_version");
  int number = 0;
  if (version != metadata.end())
    (void)std::from_chars(version->second.data(), version->second.data() + version->second.size(), number);
  if (number > format_version) {
    refuse(path,
           fmt::format("is of format version {}; this library reads up to {}. Use a newer muon.cpp", number, format_version));
  }
  const auto checksum = metadata.find("checksum");
  const bool proper = checksum != metadata.end() && checksum->second.starts_with("crc32:") && checksum->second.size() == 14;
  if (number < 1 || !proper || metadata.count("step") == 0) refuse(path, "lacks the version, checksum or step of a checkpoint");
  for (const auto& [key, text] : metadata) {
    if (!reasonably_nested(text)) refuse(path, fmt::format("is damaged: '{}' in its metadata is nested too deeply", key));
  }
  if (verify) check_sum(path, file.bytes());
  return file;
}

CheckpointSummary summary(const fs::path& path, const Safetensors& file) {
  const auto& metadata = file.metadata();
  const auto text = [&](const char* key) {
    const auto found = metadata.find(key);
    return found == metadata.end() ? std::string() : found->second;
  };
  CheckpointSummary result{0, text("library"), text("groups"), text("schedule"), {}};
  const std::string step = text("step");
  const auto [end, error] = std::from_chars(step.data(), step.data() + step.size(), result.step);
  if (error != std::errc() || end != step.data() + step.size()) refuse(path, fmt::format("has the step '{}'", step));
  for (const auto& [key, value] : metadata) {
    if (key.starts_with("note/")) result.notes[key.substr(5)] = value;
  }
  return result;
}

}  // namespace muon::checkpoint

namespace muon {

std::optional<std::filesystem::path> latest_checkpoint(const std::filesystem::path& folder) {
  const auto all = checkpoint::checkpoints_in(folder);
  if (all.empty()) return std::nullopt;
  return all.front();
}

}  // namespace muon
