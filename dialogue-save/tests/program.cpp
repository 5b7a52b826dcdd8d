#include "program.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace fs = std::filesystem;

namespace {

void redirect(const fs::path& file, int to) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  ::dup2(fd, to);
  ::close(fd);
}

}  // namespace

const std::string bound_by_permissions =
    ::geteuid() == 0 ? "setpriv --bounding-set=-dac_override,-dac_read_search " : "";

Result shell(const std::string& command) {
  const std::string base =
      (fs::temp_directory_path() / ("dialogue-run-" + std::to_string(::getpid()))).string();
  const fs::path out = base + ".out", err = base + ".err";
  const pid_t child = ::fork();
  if (child == 0) {
    redirect(out, STDOUT_FILENO);
    redirect(err, STDERR_FILENO);
    ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    ::_exit(127);
  }
  Result result;
  int status = 0;
  struct rusage usage {};
  ::wait4(child, &status, 0, &usage);
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  result.peak_kib = usage.ru_maxrss;
  result.out = contents(out);
  result.err = contents(err);
  fs::remove(out);
  fs::remove(err);
  return result;
}

void in_process(const std::function<void()>& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    work();
    ::_exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

std::string contents(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void write_file(const fs::path& file, const std::string& bytes) {
  if (file.has_parent_path()) fs::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << bytes;
}

std::vector<fs::path> saved_in(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().filename().string().starts_with("cc_")) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

InFolder::InFolder() : before_(fs::current_path()) {
  std::string pattern = (fs::temp_directory_path() / "dialogue-test-XXXXXX").string();
  folder = ::mkdtemp(pattern.data());
  home = folder / "home";
  fs::create_directories(home);
  fs::create_directories(folder / "project");
  fs::current_path(folder / "project");
  ::setenv("tool", DIALOGUE_SAVE_PROGRAM, 1);
  ::setenv("HOME", home.c_str(), 1);
  ::setenv("TZ", "UTC-8", 1);  // POSIX counts westwards: this is east of Greenwich
  for (const char* name : {"CLAUDE_CONFIG_DIR", "CLAUDE_CODE_SESSION_ID", "XDG_CONFIG_HOME",
                           "CODEX_HOME", "CODEX_THREAD_ID"})
    ::unsetenv(name);
}

InFolder::~InFolder() {
  fs::current_path(before_);
  fs::remove_all(folder);
}
