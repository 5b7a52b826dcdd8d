#include "train/data/text.hpp"

#include "cli/print.hpp"
#include "files/mapped_file.hpp"
#include "train/data/built_in.hpp"
#include "train/data/gz_file.hpp"
#include "train/data/training_data.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace cli {
namespace {

std::shared_ptr<const std::string> decompressed(const std::filesystem::path& file) {
  constexpr std::size_t portion = 1 << 22;
  GzFile reader(file);
  auto bytes = std::make_shared<std::string>();
  for (std::size_t got = portion; got == portion;) {
    const std::size_t before = bytes->size();
    bytes->resize(before + portion);
    got = reader.read(reinterpret_cast<unsigned char*>(bytes->data()) + before, portion);
    bytes->resize(before + got);
  }
  return bytes;
}

void append_file(Text& text, const std::filesystem::path& file) {
  const auto mapped = std::make_shared<const muon::MappedFile>(file);
  const std::string_view bytes = mapped->bytes(0, mapped->size());
  // the magic number of RFC 1952; the second byte is neither ASCII nor the beginning of UTF-8
  if (!bytes.starts_with("\x1f\x8b")) {
    text.append(mapped, bytes);
  } else {
    const auto plain = decompressed(file);
    text.append(plain, *plain);
  }
}

void append_folder(Text& text, const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const bool hidden = entry.path().filename().string().starts_with(".");
    if (!hidden && entry.is_regular_file()) files.push_back(entry.path());
  }
  if (files.empty()) {
    throw std::runtime_error(
        message("--data {} holds no files; give a folder with text in its files, not in folders "
                "below it or in hidden files",
                folder));
  }
  std::sort(files.begin(), files.end());
  for (const auto& file : files) append_file(text, file);
}

Text random_text(std::int64_t seed) {
  const auto bytes = std::make_shared<const torch::Tensor>(
      torch::randint(0, 256, {1 << 16}, generator_for(seed, 0), torch::kUInt8));
  Text text;
  text.append(bytes, {static_cast<const char*>(bytes->data_ptr()), 1 << 16});
  return text;
}

}  // namespace

void Text::copy(std::int64_t first, std::int64_t count, unsigned char* to) const {
  auto piece = std::upper_bound(pieces_.begin(), pieces_.end(), first,
                                [](std::int64_t at, const Piece& each) { return at < each.end; });
  while (count > 0) {
    const std::int64_t portion = std::min(count, piece->end - first);
    const std::size_t size = static_cast<std::size_t>(portion);
    std::memcpy(
        to,
        piece->bytes.data() + (piece->bytes.size() - static_cast<std::size_t>(piece->end - first)),
        size);
    to += size;
    first += portion;
    count -= portion;
    ++piece;
  }
}

void Text::append(std::shared_ptr<const void> owner, std::string_view bytes) {
  if (bytes.empty()) return;
  const std::int64_t end = size() + static_cast<std::int64_t>(bytes.size());
  pieces_.push_back({std::move(owner), bytes, end});
}

Text load_text(const std::string& name, std::int64_t seed) {
  namespace fs = std::filesystem;
  if (name == "random") return random_text(seed);
  if (name == "mnist")
    throw std::runtime_error(
        "--data mnist holds images, and --model gpt learns text; give moby_dick, random, a file, "
        "or a folder of files");
  const fs::path path =
      name == "moby_dick" ? built_in_folder("text") / "moby_dick.txt.gz" : fs::path(name);
  Text text;
  std::error_code error;
  if (fs::is_directory(path, error)) {
    append_folder(text, path);
  } else if (fs::status(path, error).type() == fs::file_type::not_found) {
    throw std::runtime_error(message(
        "--data {} does not exist; give moby_dick, random, a file, or a folder of files", path));
  } else {
    append_file(text, path);
  }
  if (text.size() == 0) throw std::runtime_error(message("--data {} is empty", path));
  return text;
}

}  // namespace cli
