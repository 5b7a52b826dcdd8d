// muon/track/wandb.hpp: a run in Weights & Biases' offline format, without Python, network or
// protobuf.
//
//     <dir>/wandb/offline-run-20261231_235959-ab12cd34/run-ab12cd34.wandb
//
//     wandb sync <folder>   # upload it
//     wandb leet <folder>   # show it in a terminal, also while it is being written
//
// Every row is in the file when `log` returns, so a killed process loses none. Nothing is flushed
// to the disk, so a power failure may lose the last rows.
//
// Size     a row of n numbers takes about 2 n (length of a name + 24) bytes, since W&B stores the
//          summary with every row
// Source   https://github.com/wandb/wandb: core/pkg/leveldb, wandb/proto/wandb_internal.proto
#pragma once

#include <muon/export.hpp>
#include <muon/track/sink.hpp>

#include <memory>

namespace muon::track {

/// Writes to a new folder below RunInfo::dir.
/// Errors   when the run starts, std::runtime_error naming the folder or file that already exists
///          or cannot be created
[[nodiscard]] MUON_API std::shared_ptr<Sink> wandb_offline();

}  // namespace muon::track
