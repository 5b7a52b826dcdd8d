#include "cli/stop_signal.hpp"

#include <csignal>

namespace cli {
namespace {

volatile std::sig_atomic_t received_signal = 0;

void remember(int signal) {
  received_signal = signal;
  std::signal(signal, SIG_DFL);
}

}  // namespace

StopSignal::StopSignal() {
  received_signal = 0;
  for (const int signal : {SIGINT, SIGTERM}) {
    // a run that a script started in the background must ignore the script's Ctrl-C
    if (std::signal(signal, remember) == SIG_IGN) std::signal(signal, SIG_IGN);
  }
}

StopSignal::~StopSignal() {
  for (const int signal : {SIGINT, SIGTERM}) {
    if (std::signal(signal, SIG_DFL) == SIG_IGN) std::signal(signal, SIG_IGN);
  }
}

int StopSignal::received() const { return received_signal; }

const char* StopSignal::name(int signal) { return signal == SIGINT ? "SIGINT" : "SIGTERM"; }

}  // namespace cli
