#include "stop_signal.hpp"

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
  std::signal(SIGINT, remember);
  std::signal(SIGTERM, remember);
}

StopSignal::~StopSignal() {
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
}

int StopSignal::received() const { return received_signal; }

const char* StopSignal::name(int signal) { return signal == SIGINT ? "SIGINT" : "SIGTERM"; }

}  // namespace cli
