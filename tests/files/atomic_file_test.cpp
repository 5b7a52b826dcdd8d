// A file is written whole or not at all, over regular files alone, and a killed writer's rest goes
// without harm to a living one.
#include "files/atomic_file.hpp"
#include "files/folders.hpp"
#include "files/leftovers.hpp"
#include "support/errors.hpp"
#include "support/files.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>

namespace {

namespace fs = std::filesystem;
using muon::AtomicFile;
using support::contents;
using support::error_of;
using testing::HasSubstr;

struct Folder : support::Folder {
  std::set<std::string> names() const {
    std::set<std::string> all;
    for (const auto& entry : fs::directory_iterator(path))
      all.insert(entry.path().filename().string());
    return all;
  }
};

void write(const fs::path& file, const std::string& text,
           AtomicFile::Access access = AtomicFile::Access::stream) {
  AtomicFile out(file, access);
  out.write(text.data(), text.size());
  out.commit();
}

/// How a process of its own ends that does this: its exit status, or minus its signal.
int in_child(const std::function<int()>& work) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(work());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/// A writer that is killed in the middle.
void killed_in(const fs::path& file) {
  const int end = in_child([&] {
    AtomicFile out(file);
    out.write("half", 4);
    ::raise(SIGKILL);
    return 0;
  });
  ASSERT_EQ(end, -SIGKILL);
}

TEST(AtomicFile, ReplacesWholeOrNotAtAll) {
  const Folder folder;
  const fs::path file = folder / "a";
  write(file, "one");
  {
    AtomicFile out(file);
    out.write("two", 3);
    EXPECT_EQ(contents(file), "one");
  }
  EXPECT_EQ(contents(file), "one");
  EXPECT_EQ(folder.names(), std::set<std::string>{"a"});
  AtomicFile out(file, AtomicFile::Access::patched);
  out.write("three", 5);
  out.patch(1, "HR", 2);
  out.commit();
  EXPECT_EQ(contents(file), "tHRee");
}

TEST(AtomicFile, AFileKeepsItsPermissionsAndALinkStaysOne) {
  const Folder folder;
  support::write(folder / "a", "old");
  fs::permissions(folder / "a", fs::perms::owner_read | fs::perms::owner_write);
  fs::create_symlink("a", folder / "link");
  fs::create_symlink("link", folder / "link to a link");
  fs::create_symlink("new", folder / "dangling");
  write(folder / "link to a link", "new");
  write(folder / "dangling", "made");
  EXPECT_EQ(contents(folder / "a"), "new");
  EXPECT_EQ(fs::status(folder / "a").permissions(), fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_TRUE(fs::is_symlink(folder / "link"));
  EXPECT_EQ(contents(folder / "new"), "made");
  fs::create_symlink("circle", folder / "circle");
  EXPECT_THAT(error_of([&] { write(folder / "circle", ""); }), HasSubstr(std::strerror(ELOOP)));
  EXPECT_THAT(error_of([&] { write(folder.path, ""); }), HasSubstr(std::strerror(EISDIR)));
}

/// The name's own suffix made such names too long.
TEST(AtomicFile, ANameMayBeAsLongAsTheFileSystemHasThem) {
  const Folder folder;
  const std::string name(255, 'x');
  write(folder / name, "long");
  EXPECT_EQ(contents(folder / name), "long");
}

TEST(AtomicFile, APipeIsWrittenToAndStaysOne) {
  const Folder folder;
  const fs::path pipe = folder / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  std::string got;
  std::thread reader([&] { got = contents(pipe); });
  write(pipe, std::string(100'000, 'p'));
  reader.join();
  EXPECT_EQ(got, std::string(100'000, 'p'));
  EXPECT_TRUE(fs::is_fifo(pipe));
  // without waiting for a reader
  EXPECT_THAT(error_of([&] { write(pipe, "", AtomicFile::Access::patched); }),
              HasSubstr("is a device, a pipe or an open file"));
  EXPECT_EQ(folder.names(), std::set<std::string>{"pipe"});
}

/// Devices of the test's own: a writer that is wrong replaces them.
TEST(AtomicFile, ADeviceIsWrittenToAndStaysOne) {
  const Folder folder;
  const fs::path null = folder / "null", full = folder / "full";
  if (::mknod(null.c_str(), S_IFCHR | 0600, makedev(1, 3)) != 0 ||
      ::mknod(full.c_str(), S_IFCHR | 0600, makedev(1, 7)) != 0)
    GTEST_SKIP() << "devices are made by root alone";
  const int opened = ::open(null.c_str(), O_WRONLY);
  if (opened < 0) GTEST_SKIP() << "this file system has no devices";
  ::close(opened);
  write(null, "anything");
  EXPECT_THAT(error_of([&] { write(null, "", AtomicFile::Access::patched); }),
              HasSubstr("is a device"));
  EXPECT_THAT(error_of([&] { write(full, "much"); }),
              HasSubstr("full cannot be written: No space left on device"));
  EXPECT_TRUE(fs::is_character_file(null) && fs::is_character_file(full));
}

/// As a shell's redirection has it: behind what is there, on the same file.
TEST(AtomicFile, StandardOutputIsWrittenToFromWhereItStands) {
  const Folder folder;
  for (const char* name : {"/dev/stdout", "/proc/self/fd/1", "/dev/fd/1"}) {
    const int status = in_child([&] {
      const int file = ::open((folder / "out").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
      if (::dup2(file, 1) != 1 || ::write(1, "before ", 7) != 7) return 1;
      if (!error_of([&] { muon::check_writable(name); }).empty()) return 2;
      if (!error_of([&] { write(name, "whole "); }).empty()) return 3;
      return ::write(1, "after", 5) == 5 ? 0 : 4;
    });
    EXPECT_EQ(status, 0) << name;
    EXPECT_EQ(contents(folder / "out"), "before whole after") << name;
    EXPECT_EQ(folder.names(), std::set<std::string>{"out"});
  }
}

TEST(AtomicFile, ErrorsTellTheReason) {
  EXPECT_THAT(error_of([] { write("/proc/nothing", ""); }),
              HasSubstr("/proc/nothing cannot be written"));
  EXPECT_THAT(error_of([] { write("no/such/folder", ""); }),
              HasSubstr("no/such/folder cannot be written: No such file"));
  EXPECT_THAT(error_of([] { muon::check_writable("no/such/folder"); }),
              HasSubstr("no/such is not a folder"));
  EXPECT_THAT(error_of([] { muon::check_writable("/"); }), HasSubstr("Is a directory"));
}

TEST(AtomicFile, AKilledWritersRestGoesBeforeTheNextWrites) {
  const Folder folder;
  support::write(folder / "muon-mine.tmp", "of somebody else");
  for (int i = 0; i < 5; ++i) {
    killed_in(folder / "a");
    EXPECT_EQ(folder.names().size(), 2U)
        << "a job that dies in every write leaves one file, not one for each";
  }
  AtomicFile out(folder / "b");
  EXPECT_EQ(folder.names().size(), 2U)
      << "the rest is to go before anything is written, for it may fill the disk";
  out.commit();
  EXPECT_EQ(folder.names(), (std::set<std::string>{"b", "muon-mine.tmp"}));
}

TEST(AtomicFile, ALivingWritersFileStays) {
  const Folder folder;
  auto first = std::make_unique<AtomicFile>(folder / "a");  // of this process
  std::array<int, 2> ready{}, go{};
  ASSERT_EQ(::pipe(ready.data()), 0);
  ASSERT_EQ(::pipe(go.data()), 0);
  const pid_t other = ::fork();
  if (other == 0) {
    const std::string error = error_of([&] {
      AtomicFile out(folder / "b");
      out.write("other", 5);
      char byte = 0;
      if (::write(ready[1], "r", 1) != 1 || ::read(go[0], &byte, 1) != 1)
        throw std::runtime_error("no pipe");
      out.commit();
    });
    ::_exit(error.empty() ? 0 : 1);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  write(folder / "c", "third");
  EXPECT_EQ(folder.names().size(), 3U);  // both temporary files and the third
  ASSERT_EQ(::write(go[1], "g", 1), 1);
  int status = 0;
  ::waitpid(other, &status, 0);
  EXPECT_EQ(status, 0);
  first->write("first", 5);
  first->commit();
  EXPECT_EQ(folder.names(), (std::set<std::string>{"a", "b", "c"}));
  EXPECT_EQ(contents(folder / "a") + contents(folder / "b"), "firstother");
  for (const int end : {ready[0], ready[1], go[0], go[1]}) ::close(end);
}

TEST(AtomicFile, NamesAreNeitherGuessedNorFollowed) {
  const Folder folder;
  std::set<std::string> names;
  for (int i = 0; i < 1000; ++i) names.insert(muon::temporary_name());
  EXPECT_EQ(names.size(), 1000U);
  // a leftover that is a link is not one, and what it leads to stays
  support::write(folder / "precious", "gold");
  const fs::path planted = folder / *names.begin();
  fs::create_symlink("precious", planted);
  write(folder / "a", "new");
  EXPECT_EQ(contents(folder / "precious"), "gold");
  EXPECT_TRUE(fs::is_symlink(planted));
  EXPECT_FALSE(fs::is_symlink(folder / "a"));
}

/// Between making a temporary file and locking it, another writer may take it for a leftover.
TEST(AtomicFile, AWriterKnowsWhenItsFileWasTakenForALeftover) {
  const Folder folder;
  const fs::path file = folder / muon::temporary_name();
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0600);
  muon::remove_leftovers(folder.path);
  EXPECT_FALSE(fs::exists(file));
  EXPECT_FALSE(muon::hold_temporary(descriptor));
  ::close(descriptor);
}

TEST(Folders, TellTheReasonOfTheFolderThatCannotBeMade) {
  const Folder folder;
  fs::permissions(folder.path, fs::perms::owner_read | fs::perms::owner_exec |
                                   fs::perms::others_read | fs::perms::others_exec);
  const std::string expected =
      (folder / "new").string() + " cannot be created: " + std::strerror(EACCES);
  EXPECT_EQ(in_child([&] {
              if (::geteuid() == 0 && ::seteuid(65534) != 0) return 1;  // root may do anything
              return error_of([&] { muon::make_folders(folder / "new/run"); }) == expected ? 0 : 2;
            }),
            0);
  fs::permissions(folder.path, fs::perms::owner_all);
  support::write(folder / "file", "");
  EXPECT_THAT(error_of([&] { muon::make_folders(folder / "file"); }),
              HasSubstr(std::strerror(EEXIST)));
}

}  // namespace
