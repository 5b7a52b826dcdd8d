// muon/track/jsonl.hpp: a run as lines of JSON that any program can read.
//
//     {"run":{"id":"ab12cd34","project":"mnist","name":"first","start":1798761599.5},"config":{"lr":0.02}}
//     {"_step":0,"_timestamp":1798761600.25,"_runtime":0.75,"train/loss":2.31}
//     {"system":{"cpu":97.5},"_timestamp":1798761614.5}
//     {"exit":0,"_timestamp":1798761700.5}
//
// Rows look like those of W&B's wandb-history.jsonl. When the config changes, a line {"config":...}
// repeats all of it. JSON has no numbers for NaN and infinities; they are the strings "NaN",
// "Infinity" and "-Infinity", as in protobuf's JSON. A histogram is
// {"_type":"histogram","values":[counts],"bins":[edges]}. Every line is in the file when `log`
// returns.
#pragma once

#include <muon/export.hpp>
#include <muon/track/sink.hpp>

#include <filesystem>
#include <memory>

namespace muon::track {

/// Writes to `file`, which must not exist yet; if it is empty, to <dir>/<stamp>-<id>.jsonl (see
/// RunInfo).
/// Errors   when the run starts, std::runtime_error naming the file: it already exists or cannot be
///          created
[[nodiscard]] MUON_API std::shared_ptr<Sink> jsonl(std::filesystem::path file = {});

}  // namespace muon::track
