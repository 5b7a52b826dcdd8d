// A program run by a shell: to its end, or as far as a test wants it and no further. No test needs
// to guess how long a step takes.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

struct Result {
  int status = -1;  // 128 + n for a program that signal n ended
  std::string out;  // standard output and standard error
};

/// One program at work, begun by `command`, in which `$muon` is the program muon. Its standard
/// output is read as far as the test asks, and the pipe between is so small that the program waits
/// when it is more than two pages ahead: one that prints at each step is stopped within some steps
/// of the text that the test waited for, on any machine.
class Running {
 public:
  explicit Running(const std::string& command) {
    setenv("muon", MUON_PROGRAM, 1);
    errors_ = std::tmpfile();
    std::array<int, 2> ends{};
    if (errors_ == nullptr || ::pipe2(ends.data(), O_CLOEXEC) != 0)
      throw std::runtime_error("no pipe");
    ::fcntl(ends[0], F_SETPIPE_SZ, 4096);
    const std::string line = "exec " + command;
    process_ = ::fork();
    if (process_ == 0) {
      ::dup2(ends[1], STDOUT_FILENO);
      ::dup2(::fileno(errors_), STDERR_FILENO);
      ::execl("/bin/sh", "sh", "-c", line.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(ends[1]);
    end_ = ends[0];
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  ~Running() {
    if (process_ > 0) {
      signal(SIGKILL);
      finish();
    }
    std::fclose(errors_);
  }

  /// Reads until `text` has come; false if the program ended first.
  bool read_until(const std::string& text) {
    while (out_.find(text) == std::string::npos) {
      if (!read_some()) return false;
    }
    return true;
  }

  void signal(int number) const { ::kill(process_, number); }

  /// Reads the rest and waits for the end.
  Result finish() {
    while (read_some()) {
    }
    ::close(end_);
    int status = 0;
    ::waitpid(process_, &status, 0);
    process_ = -1;
    std::rewind(errors_);
    std::array<char, 4096> part{};
    while (const std::size_t count = std::fread(part.data(), 1, part.size(), errors_))
      out_.append(part.data(), count);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), out_};
  }

 private:
  bool read_some() {
    std::array<char, 4096> part{};
    const ssize_t count = ::read(end_, part.data(), part.size());
    if (count > 0) out_.append(part.data(), static_cast<std::size_t>(count));
    return count > 0;
  }

  std::FILE* errors_ = nullptr;
  pid_t process_ = -1;
  int end_ = -1;
  std::string out_;
};

/// Runs a shell command to its end. `$muon` in it is the program.
inline Result shell(const std::string& command) {
  setenv("muon", MUON_PROGRAM, 1);
  Result result;
  FILE* pipe = popen(("{ " + command + "\n} 2>&1").c_str(), "r");
  std::array<char, 4096> buffer{};
  while (const std::size_t count = fread(buffer.data(), 1, buffer.size(), pipe))
    result.out.append(buffer.data(), count);
  const int status = pclose(pipe);
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}
