#include "json_file.hpp"

#include "json_text.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace dialogue {
namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
constexpr std::string_view blanks = " \t\r\n";

/// getline's buffer. It grows in place where malloc can remap, so a line of 50 MB takes 50 MB.
struct LineBuffer {
  char* data = nullptr;
  std::size_t capacity = 0;

  LineBuffer() = default;
  LineBuffer(const LineBuffer&) = delete;
  LineBuffer& operator=(const LineBuffer&) = delete;
  ~LineBuffer() { std::free(data); }
};

/// Cuts a stream of JSON into its outermost values, or into those of the outermost array, by
/// counting brackets.
class Splitter {
 public:
  explicit Splitter(const JsonFile::Visit& visit) : visit_(visit) {}

  /// false: the visitor wants no more, or the array has ended.
  bool feed(std::string_view chunk) {
    std::size_t kept = 0;  // bytes of the chunk that are in value_ or in no value
    for (std::size_t i = 0; i < chunk.size(); ++i) {
      const bool was_open = open();
      const bool more = in_string_ ? string_byte(chunk[i]) : structure_byte(chunk[i]);
      if (open() == was_open && more) continue;
      if (was_open) {
        value_ += chunk.substr(kept, i + 1 - kept);
        if (!visit_({{begin_, value_.size()}, value_})) return false;
        value_.clear();
      } else if (!more) {
        return false;
      } else {
        begin_ = offset_ + i;
      }
      kept = was_open ? i + 1 : i;
    }
    if (open()) value_ += chunk.substr(kept);
    offset_ += chunk.size();
    return true;
  }

  /// What was cut off, even if it is only the end of the array, is given as a value that cannot be
  /// parsed.
  void finish() {
    if (depth_ > 0) visit_({{begin_, value_.size()}, value_});
  }

 private:
  bool open() const { return depth_ > base_; }

  bool string_byte(char c) {
    if (escaped_) {
      escaped_ = false;
    } else if (c == '\\') {
      escaped_ = true;
    } else if (c == '"') {
      in_string_ = false;
    }
    return true;
  }

  bool structure_byte(char c) {
    if (c == '"') in_string_ = true;
    if (c == '{' || c == '[') {
      if (!begun_ && c == '[') base_ = 1;
      begun_ = true;
      ++depth_;
    } else if (c == '}' || c == ']') {
      if (depth_ <= base_) return depth_ = 0, false;
      --depth_;
    }
    return true;
  }

  const JsonFile::Visit& visit_;
  std::string value_;
  std::uint64_t offset_ = 0, begin_ = 0;
  std::size_t depth_ = 0, base_ = 0;
  bool begun_ = false, in_string_ = false, escaped_ = false;
};

}  // namespace

JsonFile::JsonFile(const std::filesystem::path& path) : path_(path.string()) {
  struct stat status {};
  const bool there = ::stat(path_.c_str(), &status) == 0,
             regular = there && S_ISREG(status.st_mode);
  // opening a pipe would wait for whoever writes to it
  if (regular) file_.reset(std::fopen(path_.c_str(), "rb"));
  if (file_) return;
  throw Failure(
      Exit::unreadable,
      fmt::format("[read] cannot read '{}'; got {}; name a file that you may read", path_,
                  there && !regular ? "something that is not a file" : std::strerror(errno)));
}

void JsonFile::seek(std::uint64_t offset) {
  std::clearerr(file_.get());
  ::fseeko(file_.get(), static_cast<off_t>(offset), SEEK_SET);
}

void JsonFile::check() const {
  if (!std::ferror(file_.get())) return;
  throw Failure(Exit::unreadable,
                fmt::format("[read] '{}' could not be read to its end; got {}; check the disk",
                            path_, std::strerror(errno)));
}

void JsonFile::each_line(const Visit& visit) {
  seek(0);
  LineBuffer line;
  std::uint64_t offset = 0;
  ssize_t length = 0;
  while ((length = ::getline(&line.data, &line.capacity, file_.get())) >= 0) {
    std::string_view text(line.data, static_cast<std::size_t>(length));
    const Span where{offset, text.size()};
    offset += text.size();
    if (where.offset == 0 && text.starts_with(byte_order_mark))
      text.remove_prefix(byte_order_mark.size());
    if (text.find_first_not_of(blanks) == text.npos) continue;
    if (!visit({where, text, !text.ends_with('\n')})) return;
  }
  check();
}

void JsonFile::each_object(Report& damage, Report& repairs, const VisitObject& visit) {
  each_line([&](const Value& line) {
    const std::optional<Json> json = parse_json(line.text, repairs);
    if (json && json->is_object()) return visit(*json, line);
    if (!line.growing) ++damage.damaged;
    return true;
  });
}

void JsonFile::each_value(const Visit& visit) {
  seek(0);
  Splitter splitter(visit);
  std::vector<char> buffer(1 << 16);
  while (const std::size_t count = std::fread(buffer.data(), 1, buffer.size(), file_.get())) {
    if (!splitter.feed({buffer.data(), count})) return;
  }
  check();
  splitter.finish();
}

bool JsonFile::has_lines() {
  const std::string start = head(1 << 10);
  const std::size_t first = start.find_first_not_of(blanks);
  // an array may be one line as long as the file
  if (first == start.npos || start[first] != '{') return false;
  int lines = 0;
  bool by_lines = false;
  each_line([&](const Value& line) {
    const std::string_view text = line.text.substr(line.text.find_first_not_of(blanks));
    by_lines =
        lines == 0 ? nlohmann::json::accept(text.begin(), text.end()) : text.starts_with('{');
    return ++lines < 2 && !by_lines;
  });
  return by_lines;
}

void JsonFile::each(const Visit& visit) { has_lines() ? each_line(visit) : each_value(visit); }

std::string JsonFile::text_at(const Span& where) {
  seek(where.offset);
  std::string text(where.length, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file_.get()));
  check();
  if (where.offset == 0 && text.starts_with(byte_order_mark)) text.erase(0, byte_order_mark.size());
  return text;
}

std::string JsonFile::head(std::size_t bytes) { return text_at({0, bytes}); }

}  // namespace dialogue
