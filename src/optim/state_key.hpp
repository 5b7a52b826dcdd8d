// The key under which torch::optim::Optimizer keeps a parameter's state: the address of its
// TensorImpl, as text before LibTorch 2.2 and as a pointer since. The type is read from `state()`
// itself.
#pragma once

#include <torch/optim/optimizer.h>

#include <memory>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>

namespace muon {

using StateMap = std::remove_cvref_t<decltype(std::declval<torch::optim::Optimizer&>().state())>;
using StateKey = StateMap::key_type;

template <typename Key = StateKey>
Key state_key(const torch::Tensor& parameter) {
  if constexpr (std::is_same_v<Key, void*>) {
    return parameter.unsafeGetTensorImpl();
  } else {
    std::ostringstream text;  // as in LibTorch's own optimizers
    text << static_cast<const void*>(parameter.unsafeGetTensorImpl());
    return text.str();
  }
}

/// The parameter's state, created on first use. The caller has checked its type.
template <typename State>
State& state_of(StateMap& states, const torch::Tensor& parameter) {
  auto& state = states[state_key(parameter)];
  if (!state) state = std::make_unique<State>();
  return static_cast<State&>(*state);
}

}  // namespace muon
