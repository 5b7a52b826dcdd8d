// An optimizer's state of one parameter, on every LibTorch.
#pragma once

#include <muon/optim/grouped_optimizer.hpp>

#include <torch/torch.h>

#include <sstream>
#include <type_traits>
#include <utility>

using StateMap = std::remove_cvref_t<decltype(std::declval<torch::optim::Optimizer&>().state())>;

/// The key is the parameter's address, as text before LibTorch 2.2.
template <class State, class Key = StateMap::key_type>
State& state_of(torch::optim::Optimizer& optimizer, const torch::Tensor& parameter) {
  if constexpr (std::is_pointer_v<Key>) {
    return static_cast<State&>(*optimizer.state().at(Key(parameter.unsafeGetTensorImpl())));
  } else {
    std::ostringstream key;
    key << static_cast<const void*>(parameter.unsafeGetTensorImpl());
    return static_cast<State&>(*optimizer.state().at(Key(key.str())));
  }
}

inline torch::Tensor momentum_of(muon::GroupedOptimizer& optimizer,
                                 const torch::Tensor& parameter) {
  return state_of<muon::MuonParamState>(optimizer, parameter).momentum_buffer();
}
