// A file of JSON, one value at a time: only the longest of them must fit into memory.
#pragma once

#include "conversation.hpp"
#include "report.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstdio>
#include <memory>
#include <string_view>

namespace dialogue {

class JsonFile {
 public:
  /// One value of the file. `growing`: the last line, without its newline; it may still be being
  /// written.
  struct Value {
    Span where;
    std::string_view text;
    bool growing = false;
  };
  /// false: no more.
  using Visit = std::function<bool(const Value&)>;

  /// Failure (Exit::unreadable) if there is no such file to read.
  explicit JsonFile(const std::filesystem::path& path);

  /// One value a line. A damaged line leaves the others readable.
  void each_line(const Visit& visit);
  /// The elements of an array, or values one after the other, however the lines are broken. Only
  /// objects and arrays are visited.
  void each_value(const Visit& visit);
  /// By lines where the file begins with a line that is an object, else by values.
  void each(const Visit& visit);

  /// One object a line: what is none is counted, unless it is still being written.
  using VisitObject = std::function<bool(const nlohmann::json&, const Value&)>;
  void each_object(Report& damage, Report& repairs, const VisitObject& visit);

  std::string text_at(const Span& where);
  std::string head(std::size_t bytes);

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  bool has_lines();
  void seek(std::uint64_t offset);
  void check() const;

  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace dialogue
