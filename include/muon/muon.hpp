// muon/muon.hpp: everything, in the order in which data passes.
#pragma once

#include <muon/plan/parameter.hpp>
#include <muon/plan/matrix_view.hpp>
#include <muon/plan/plan.hpp>

#include <muon/optim/options.hpp>
#include <muon/optim/orthogonalize.hpp>
#include <muon/optim/muon.hpp>
#include <muon/optim/muon_with_aux_adam.hpp>
#include <muon/optim/schedule.hpp>

#include <muon/state/safetensors.hpp>
#include <muon/state/checkpoint.hpp>
#include <muon/state/python_state.hpp>
#include <muon/state/model_file.hpp>

#include <muon/track/run.hpp>
#include <muon/track/watch.hpp>
#include <muon/track/wandb.hpp>
#include <muon/track/tensorboard.hpp>
#include <muon/track/jsonl.hpp>
#include <muon/track/history.hpp>
