#include "state/checkpoint_file.hpp"

#include "files/atomic_file.hpp"
#include "files/folders.hpp"
#include "files/safetensors_tensors.hpp"
#include "optim/optimizer_state.hpp"
#include "state/checkpoint_folder.hpp"
#include "state/checkpoint_layout.hpp"
#include "state/stored_schedules.hpp"

#include <muon/version.hpp>

#include <fmt/format.h>
#include <torch/version.h>
#include <zlib.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace muon::checkpoint {
namespace {

namespace fs = std::filesystem;

// The checksum is in the header's metadata. It is computed over the whole file with its own digits
// set to zero. Quotes are escaped in JSON strings, so the mark cannot occur inside one.
constexpr std::string_view checksum_mark = "\"checksum\":\"crc32:";
constexpr std::string_view no_checksum = "00000000";

[[noreturn]] void refuse(const fs::path& file, const std::string& what) {
  throw std::runtime_error(fmt::format("[checkpoint] {} {}", file.string(), what));
}

uLong add_to_checksum(uLong sum, const void* bytes, std::size_t count) {
  return crc32_z(sum, static_cast<const Bytef*>(bytes), count);
}

void write_file(const fs::path& file, const NamedTensorList& tensors,
                const std::map<std::string, std::string>& metadata) {
  const std::string first = first_bytes(file, tensors, metadata);
  const std::size_t digits = first.find(checksum_mark) + checksum_mark.size();
  AtomicFile out(file, AtomicFile::Access::patched);
  uLong sum = 0;
  const auto put = [&](const void* bytes, std::size_t count) {
    out.write(bytes, count);
    sum = add_to_checksum(sum, bytes, count);
  };
  put(first.data(), first.size());
  safetensors::each_tensors_bytes(tensors, put);
  const std::string text = fmt::format("{:08x}", sum);
  out.patch(digits, text.data(), text.size());
  out.commit();
}

void check_sum(const fs::path& path, std::string_view bytes) {
  const std::size_t mark = bytes.find(checksum_mark);
  const std::size_t digits = mark + checksum_mark.size();
  if (mark == std::string_view::npos || bytes.size() - digits < no_checksum.size())
    refuse(path, "has a malformed checksum");
  uLong sum = add_to_checksum(0, bytes.data(), digits);
  sum = add_to_checksum(sum, no_checksum.data(), no_checksum.size());
  const std::size_t rest = digits + no_checksum.size();
  sum = add_to_checksum(sum, bytes.data() + rest, bytes.size() - rest);
  if (bytes.substr(digits, no_checksum.size()) != fmt::format("{:08x}", sum))
    refuse(path, "is damaged: its checksum does not match its bytes. Use an older checkpoint");
}

/// nlohmann::json prints recursively, so nesting must be limited.
bool reasonably_nested(std::string_view text) {
  int depth = 0;
  return std::all_of(text.begin(), text.end(), [&](char c) {
    if (c == '[' || c == '{') ++depth;
    if (c == ']' || c == '}') --depth;
    return depth < 1000;
  });
}

std::vector<CheckpointSummary::Group> groups_in(const std::string& text) {
  std::vector<CheckpointSummary::Group> groups;
  for (const GroupState& stored : state_from_json(nlohmann::ordered_json::parse(text))) {
    CheckpointSummary::Group group;
    group.algorithm = stored.algorithm;
    for (const auto& [name, value] : stored.options.items())
      group.options.emplace_back(name, value.is_string() ? value.get<std::string>() : value.dump());
    for (const ParameterState& parameter : stored.parameters)
      group.parameters.push_back({parameter.name, parameter.shape, parameter.view});
    groups.push_back(std::move(group));
  }
  return groups;
}

}  // namespace

fs::path write(const fs::path& where, std::int64_t step, const NamedTensorList& tensors,
               std::map<std::string, std::string> metadata, int keep) {
  const bool folder = where.extension() != extension;
  const fs::path file = folder ? file_for(where, step) : where;
  metadata[format_key] = format_name;
  metadata[version_key] = std::to_string(format_version);
  metadata[library_key] = "muon " MUON_VERSION_STRING ", LibTorch " TORCH_VERSION;
  metadata[checksum_key] = fmt::format("crc32:{}", no_checksum);
  metadata[step_key] = std::to_string(step);
  try {
    if (folder) make_folders(where);
    metadata[sequence_key] = std::to_string(next_sequence(file.parent_path()));
    write_file(file, tensors, metadata);
  } catch (const c10::Error& error) {
    refuse(file, fmt::format("cannot be written: {}", error.what_without_backtrace()));
  } catch (const std::runtime_error& error) {  // it names the file or the folder
    throw std::runtime_error(fmt::format("[checkpoint] {}", error.what()));
  }
  if (folder && keep > 0) remove_older(where, keep, file);
  return file;
}

SafetensorsFile open(const fs::path& path, bool verify) {
  SafetensorsFile file(path);
  const auto& metadata = file.metadata();
  if (!is_checkpoint(metadata))
    refuse(path, "is a safetensors file, but not a checkpoint of muon.cpp");
  const auto version = metadata.find(version_key);
  int number = 0;
  if (version != metadata.end())
    (void)std::from_chars(version->second.data(), version->second.data() + version->second.size(),
                          number);
  if (number > format_version) {
    refuse(path,
           fmt::format("is of format version {}; this library reads up to {}. Use a newer muon.cpp",
                       number, format_version));
  }
  const auto checksum = metadata.find(checksum_key);
  const bool proper = checksum != metadata.end() && checksum->second.starts_with("crc32:") &&
                      checksum->second.size() == 14;
  if (number < 1 || !proper || metadata.count(step_key) == 0)
    refuse(path, "lacks the version, checksum or step of a checkpoint");
  for (const auto& [key, text] : metadata) {
    if (!reasonably_nested(text))
      refuse(path, fmt::format("is damaged: '{}' in its metadata is nested too deeply", key));
  }
  if (verify) check_sum(path, file.bytes());
  return file;
}

CheckpointSummary summary(const fs::path& path, const SafetensorsFile& file) {
  const auto& metadata = file.metadata();
  const auto text = [&](const char* key) {
    const auto found = metadata.find(key);
    return found == metadata.end() ? std::string() : found->second;
  };
  CheckpointSummary result;
  result.library = text(library_key);
  const std::string step = text(step_key);
  const auto [end, error] = std::from_chars(step.data(), step.data() + step.size(), result.step);
  if (error != std::errc() || end != step.data() + step.size() || result.step < 0)
    refuse(path, fmt::format("has the step '{}'", step));
  for (const auto& [key, value] : metadata) {
    if (const auto note = behind(note_prefix, key)) result.notes[*note] = value;
  }
  try {
    if (const std::string groups = text(groups_key); !groups.empty())
      result.groups = groups_in(groups);
    if (const std::string schedules = text(schedules_key); !schedules.empty()) {
      for (const StoredSchedule& one : schedules_from(schedules))
        result.schedules.push_back({one.step, one.initial_rates});
    }
  } catch (const nlohmann::json::exception& json_error) {
    refuse(path, fmt::format("is damaged: its metadata is not what this library writes: {}",
                             json_error.what()));
  } catch (const std::runtime_error& unknown) {  // such as an algorithm unknown to this version
    refuse(path, fmt::format("cannot be read: {}", unknown.what()));
  }
  return result;
}

}  // namespace muon::checkpoint
