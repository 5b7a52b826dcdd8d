// The events in TensorBoard's files: messages of its event.proto and summary.proto, by field
// number.
// Source   https://github.com/tensorflow/tensorboard: compat/proto/{event,summary,tensor}.proto,
// plugins/hparams/plugin_data.proto
#pragma once

#include <muon/track/record.hpp>
#include <muon/track/value.hpp>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace muon::track::event {

/// The element types of a TensorProto (types.proto: DT_FLOAT, DT_DOUBLE, DT_STRING).
enum TensorType { tensor_float = 1, tensor_double = 2, tensor_string = 7 };

/// The first event of a file.
std::string version(double time);
/// All values of a row, in one event.
std::string row(const Row& row);
/// The start of a run with its hyperparameters. TensorBoard finds the metrics itself.
std::string session_start(double time, const RunInfo& info, const Object& config);
/// The end of a run.
std::string session_end(double time, bool success);

/// The parts of an event that History uses.
struct Parsed {
  double time = 0;
  std::int64_t step = 0;
  std::vector<std::pair<std::string, double>> scalars;
  std::vector<std::string> others;                           // histograms, texts
  std::vector<std::pair<std::string, std::string>> hparams;  // names and JSON texts
  std::string name;                                          // from session_start
  // from session_end: 1 success, 2 failure
  int session_status = 0;
};

/// Errors   std::runtime_error: not a message
Parsed parse(const std::string& event);

}  // namespace muon::track::event
