#include "state/checkpoint_folder.hpp"

#include <muon/state/checkpoint.hpp>

#include "files/mapped_file.hpp"
#include "files/safetensors_header.hpp"
#include "state/checkpoint_layout.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

namespace muon::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t largest_sequence = std::int64_t{1} << 62;

template <class Integer>
bool read_whole(std::string_view text, Integer& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

/// The step in a name from `file_for`; -1 for other names.
std::int64_t step_of(const fs::path& file) {
  const std::string name = file.filename().string();
  if (!name.starts_with("step-") || !name.ends_with(extension)) return -1;
  std::int64_t step = -1;
  return read_whole(std::string_view(name).substr(5, name.size() - 5 - extension.size()), step)
             ? step
             : -1;
}

struct Found {
  bool unreadable = false;
  std::int64_t sequence = 0;  // 0: none
  fs::file_time_type time;
  std::int64_t step = 0;
  fs::path file;

  auto order() const { return std::tie(unreadable, sequence, time, step); }
};

void read_sequence(Found& found) {
  try {
    const MappedFile mapped(found.file);
    const std::uint64_t length = safetensors::header_length(mapped.bytes(0, 8), mapped.size());
    const auto metadata = safetensors::parse_metadata(mapped.bytes(8, length));
    const auto sequence = metadata.find(sequence_key);
    const bool told = sequence != metadata.end() && read_whole(sequence->second, found.sequence);
    if (!told || found.sequence < 0 || found.sequence > largest_sequence) found.sequence = 0;
  } catch (const std::runtime_error&) {
    found.unreadable = true;
  }
}

/// The most recently written first.
std::vector<Found> checkpoints_in(const fs::path& folder) {
  std::vector<Found> all;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    Found found;
    found.step = step_of(entry->path());
    std::error_code unknown;
    if (found.step < 0 || !entry->is_regular_file(unknown)) continue;
    found.time = entry->last_write_time(unknown);
    found.file = entry->path();
    read_sequence(found);
    // an unreadable file may have been removed meanwhile
    if (!found.unreadable || fs::exists(found.file, unknown)) all.push_back(std::move(found));
  }
  std::sort(all.begin(), all.end(),
            [](const Found& a, const Found& b) { return a.order() > b.order(); });
  return all;
}

[[noreturn]] void refuse(const fs::path& where, const char* what) {
  throw std::runtime_error(fmt::format("[checkpoint] {} {}", where.string(), what));
}

}  // namespace

fs::path file_for(const fs::path& folder, std::int64_t step) {
  return folder / fmt::format("step-{:08}{}", step, extension);
}

std::int64_t next_sequence(const fs::path& folder) {
  std::int64_t last = 0;
  for (const Found& found : checkpoints_in(folder.empty() ? "." : folder))
    last = std::max(last, found.sequence);
  return last + 1;
}

void remove_older(const fs::path& folder, int keep, const fs::path& written) {
  std::error_code ignored;  // failing to remove an old file does no harm
  for (const Found& found : checkpoints_in(folder)) {
    // a damaged file does not count towards `keep`
    if (found.unreadable || keep-- > 0 || found.file == written) continue;
    fs::remove(found.file, ignored);
  }
}

fs::path newest(const fs::path& where) {
  std::error_code error;
  if (!fs::is_directory(where, error)) {
    if (!fs::exists(where, error)) refuse(where, "does not exist");
    return where;
  }
  const auto all = checkpoints_in(where);
  if (all.empty()) refuse(where, "holds no checkpoint (step-*.safetensors)");
  return all.front().file;
}

}  // namespace muon::checkpoint

namespace muon {

std::optional<std::filesystem::path> latest_checkpoint(const std::filesystem::path& folder) {
  const auto all = checkpoint::checkpoints_in(folder);
  if (all.empty()) return std::nullopt;
  return all.front().file;
}

}  // namespace muon
