// Somebody guesses the name of a temporary file and is there first. Names cannot be guessed, so the
// linker puts a function between the library and open(): it plants the file in the moment before.
#include "files/atomic_file.hpp"
#include "support/files.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdarg>
#include <filesystem>
#include <functional>
#include <utility>

namespace {

std::function<void(const std::filesystem::path&)> before_creation;  // called once

}  // namespace

// the names that the linker's --wrap=open asks for
extern "C" int __real_open(const char* path, int flags, ...);
extern "C" int __wrap_open(const char* path, int flags, ...) {
  if ((flags & O_CREAT) == 0) return __real_open(path, flags);
  std::va_list arguments;
  va_start(arguments, flags);
  const auto mode = va_arg(arguments, mode_t);
  va_end(arguments);
  if (const auto plant = std::exchange(before_creation, nullptr)) plant(path);
  return __real_open(path, flags, mode);
}

namespace {

namespace fs = std::filesystem;

class Planted : public testing::Test {
 protected:
  Planted() { support::write(folder / "precious", "gold"); }

  /// Writes a file, while `plant` makes another in the place of its temporary one.
  void write(const std::function<void(const fs::path&)>& plant) {
    fs::path planted;
    before_creation = [&](const fs::path& path) {
      planted = path;
      plant(path);
    };
    muon::AtomicFile out(folder / "result");
    out.write("new", 3);
    out.commit();
    EXPECT_FALSE(planted.empty());
    EXPECT_NE(planted.filename(), "result");
    EXPECT_TRUE(fs::exists(fs::symlink_status(planted))) << "what is there stays";
    EXPECT_FALSE(fs::is_symlink(folder / "result"));
    EXPECT_EQ(support::contents(folder / "result"), "new");
    EXPECT_EQ(support::contents(folder / "precious"), "gold");
  }

  const support::Folder folder;
};

TEST_F(Planted, ALinkIsNotFollowed) {
  write([](const fs::path& path) { fs::create_symlink("precious", path); });
}

TEST_F(Planted, ALinkToNothingIsNotFollowed) {
  write([](const fs::path& path) { fs::create_symlink("nothing", path); });
  EXPECT_FALSE(fs::exists(folder / "nothing"));
}

TEST_F(Planted, AnotherWritersFileIsNotTaken) {
  fs::path planted;
  write([&](const fs::path& path) {
    planted = path;
    support::write(path, "of another");
  });
  EXPECT_EQ(support::contents(planted), "of another");
}

}  // namespace
