// muon/track.hpp: all of tracking. Link muon::track.
#pragma once

#include <muon/track/history.hpp>
#include <muon/track/jsonl.hpp>
#include <muon/track/record.hpp>
#include <muon/track/run.hpp>
#include <muon/track/sink.hpp>
#include <muon/track/tensorboard.hpp>
#include <muon/track/value.hpp>
#include <muon/track/wandb.hpp>
#include <muon/track/watch.hpp>
