// muon/track/jsonl.hpp: a run as lines of JSON, for any program to read.
//
//     {"run":{"id":"ab12cd34","project":"mnist","name":"first","start":1798761599.5},"config":{"lr":0.02}}
//     {"_step":0,"_timestamp":1798761600.25,"_runtime":0.75,"train/loss":2.31}
//     {"system":{"cpu":97.5},"_timestamp":1798761614.5}
//     {"exit":0,"_timestamp":1798761700.5}
//
// The rows are those of W&B's wandb-history.jsonl. A later {"config":...} is the whole config again.
// Non-finite numbers are the texts "NaN", "Infinity" and "-Infinity", as in protobuf's JSON, since JSON has no such numbers.
// A histogram is {"_type":"histogram","values":[counts],"bins":[edges]}. Every line is in the file when log returns.
#pragma once

#include <muon/track/sink.hpp>

#include <filesystem>
#include <memory>

namespace muon::track {

/// `file` empty: <dir>/<stamp>-<id>.jsonl.
/// Errors   at start std::runtime_error naming the file: it cannot be made, or exists already
std::shared_ptr<Sink> jsonl(std::filesystem::path file = {});

}  // namespace muon::track
