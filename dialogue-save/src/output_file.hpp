// A file that appears whole and under a name of its own, or not at all.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace dialogue {

/// Writes to a temporary file in the target's folder, which is made if there is none; without
/// publish() it disappears. All of it throws Failure (Exit::unreadable) where the folder, the disk
/// or the limits do not allow it.
class OutputFile {
 public:
  explicit OutputFile(const std::filesystem::path& folder);
  /// Standard output instead.
  OutputFile();
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  /// From now on Ctrl-C and its like end the program as ever, but leave no temporary file.
  static void remove_on_signals();

  void write(std::string_view bytes);
  /// Waits until everything is on the disk; to be called before the file gets its name.
  void settle();
  /// Gives the file its name. false, and nothing changed, if there is such a file already.
  bool publish(const std::filesystem::path& name);

 private:
  void write_through(std::string_view bytes);
  void flush();
  [[noreturn]] void fail(const char* what) const;

  std::filesystem::path temporary_;  // empty: standard output, or published
  int file_ = -1;
  std::string buffer_;
};

}  // namespace dialogue
