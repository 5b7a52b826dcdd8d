// muon/track/wandb.hpp: runs in Weights & Biases' offline format, without Python, network or protobuf.
//
//     <dir>/wandb/offline-run-20261231_235959-ab12cd34/run-ab12cd34.wandb
//
// `wandb sync DIR` uploads it, `wandb leet DIR` shows it in a terminal, also while it is written. Every row is in the file when
// log returns (a killed process loses none), though not flushed to the disk (a power cut may).
//
// Size     a row of n numbers takes about 2 n (name + 24) bytes: W&B keeps the summary in every row
// Source   https://github.com/wandb/wandb: core/pkg/leveldb, wandb/proto/wandb_internal.proto
#pragma once

#include <muon/track/sink.hpp>

#include <memory>

namespace muon::track {

/// Below RunInfo::dir.
/// Errors   at start std::runtime_error naming the folder or file that cannot be made; it is never one that exists
std::shared_ptr<Sink> wandb_offline();

}  // namespace muon::track
