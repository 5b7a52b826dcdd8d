// muon/track/tensorboard.hpp: a run as TensorBoard's event files.
//
//     <folder>/events.out.tfevents.<time>.<host>.<process>.<count>
//
//     tensorboard --logdir <folder>
//
// Numbers and booleans become scalars (float32, TensorBoard's type), histograms become histograms,
// and strings and lists become texts. The entries of an object are named "object/entry". The
// numbers, strings and booleans of the config become hyperparameters. Every row is in the file when
// `log` returns.
//
// Source   https://github.com/tensorflow/tensorboard: compat/proto/event.proto, summary.proto,
//          plugins/hparams
#pragma once

#include <muon/export.hpp>
#include <muon/track/sink.hpp>

#include <filesystem>
#include <memory>

namespace muon::track {

/// Writes a new file into `folder`, which TensorBoard shows as one run; if it is empty, into
/// <dir>/tensorboard/<stamp>-<id> (see RunInfo). The folder may exist and hold other event files.
/// Errors   when the run starts, std::runtime_error naming the folder or file that cannot be
///          created
[[nodiscard]] MUON_API std::shared_ptr<Sink> tensorboard(std::filesystem::path folder = {});

}  // namespace muon::track
