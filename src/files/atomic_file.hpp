// Files that are written completely or not at all.
#pragma once

#include <cstddef>
#include <filesystem>

namespace muon {

/// Writes beside `file` under a temporary name, "muon-<16 random digits>.tmp"; `commit` flushes it
/// to the disk and renames it over `file`. Without a commit nothing remains. Symbolic links are
/// followed and stay links.
///
/// Only a regular file is replaced, or a name that does not exist. A device, a pipe, or a name for
/// one of this process's own open files (/dev/stdout) is written directly from its current
/// position, and neither truncated nor flushed to the disk.
///
/// Safety   The temporary file is locked (flock) as long as it is open. A killed writer leaves it
///          unlocked, and the next writer in that folder removes it before it writes; a file that
///          another process or thread is writing is never touched. Where a file system has no
///          locks, nothing is removed.
/// Errors   std::runtime_error naming the file and the reason; an existing file is then as it was.
class AtomicFile {
 public:
  enum class Access {
    stream,   ///< from the first byte to the last
    patched,  ///< `patch` is needed, so pipes, devices and open files are refused
  };

  explicit AtomicFile(const std::filesystem::path& file, Access access = Access::stream);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* bytes, std::size_t count);
  /// Overwrites bytes that have been written.
  void patch(std::size_t offset, const void* bytes, std::size_t count);
  void commit();

 private:
  void open_temporary(unsigned mode);
  void discard();
  [[noreturn]] void fail() const;

  std::filesystem::path file_;       // behind any links
  std::filesystem::path temporary_;  // empty where `file_` is written to directly
  int descriptor_ = -1;
};

/// Throws if an AtomicFile could not write `file`, so that a program fails now rather than after
/// hours of work. Writes nothing.
void check_writable(const std::filesystem::path& file);

}  // namespace muon
