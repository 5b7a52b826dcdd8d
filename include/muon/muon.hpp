// muon/muon.hpp: everything but tracking (muon/track.hpp), in the order in which data passes.
#pragma once

#include <muon/version.hpp>

#include <muon/matrix/matrix_view.hpp>
#include <muon/matrix/orthogonalize.hpp>

#include <muon/plan/options.hpp>
#include <muon/plan/param_group.hpp>
#include <muon/plan/parameter.hpp>
#include <muon/plan/plan.hpp>
#include <muon/plan/recipe.hpp>

#include <muon/optim/learning_rate.hpp>
#include <muon/optim/muon.hpp>
#include <muon/optim/muon_with_aux_adam.hpp>
#include <muon/optim/schedule.hpp>

#include <muon/state/checkpoint.hpp>
#include <muon/state/model_file.hpp>
#include <muon/state/python_state.hpp>
#include <muon/state/safetensors.hpp>
