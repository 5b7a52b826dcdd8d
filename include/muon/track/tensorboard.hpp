// muon/track/tensorboard.hpp: TensorBoard's event files.
//
//     <folder>/events.out.tfevents.<time>.<host>.<process>.<count>
//
// Numbers become scalars (float32, as TensorBoard has them), truth values 0 and 1, histograms histograms, texts and lists texts;
// an object's entries are named "object/entry". Numbers, texts and truth values of the config become hyperparameters.
// Every row is in the file when log returns.
//
// Source   https://github.com/tensorflow/tensorboard: compat/proto/event.proto, summary.proto, plugins/hparams
#pragma once

#include <muon/track/sink.hpp>

#include <filesystem>
#include <memory>

namespace muon::track {

/// `folder` is what TensorBoard calls a run; empty: <dir>/tensorboard/<stamp>-<id>. It may exist: a new file is begun.
/// Errors   at start std::runtime_error naming the folder or file that cannot be made
std::shared_ptr<Sink> tensorboard(std::filesystem::path folder = {});

}  // namespace muon::track
