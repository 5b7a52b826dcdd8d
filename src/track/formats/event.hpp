// The events of TensorBoard's files: messages of its event.proto and summary.proto, by field number.
// Source   https://github.com/tensorflow/tensorboard: compat/proto/{event,summary,tensor}.proto,
// plugins/hparams/plugin_data.proto
#pragma once

#include <muon/track/sink.hpp>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace muon::track::event {

/// The first of a file.
std::string version(double time);
/// All values of a row, in one event.
std::string row(const Row& row);
/// The hyperparameters and that a run has begun; and that it has ended. TensorBoard finds the metrics by itself.
std::string session_start(double time, const RunInfo& info, const Object& config);
std::string session_end(double time, bool success);

/// What `History` needs.
struct Parsed {
  double time = 0;
  std::int64_t step = 0;
  std::vector<std::pair<std::string, double>> scalars;
  std::vector<std::string> others;                           // histograms, texts
  std::vector<std::pair<std::string, std::string>> hparams;  // and their JSON
  std::string name;                                          // of session_start
  int session_status = 0;                                    // of session_end: 1 success, 2 failure
};

/// Errors   std::runtime_error: no message
Parsed parse(const std::string& event);

}  // namespace muon::track::event
