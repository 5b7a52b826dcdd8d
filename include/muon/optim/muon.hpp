// muon/optim/muon.hpp: the optimizer for hidden matrices, PyTorch's torch.optim.Muon in C++.
#pragma once

#include <muon/optim/grouped_optimizer.hpp>
#include <muon/plan/options.hpp>

#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace torch {
template <typename Key, typename Value>
class OrderedDict;
}

namespace muon {

class Plan;

/// Muon: momentum, then each matrix replaced by (nearly) its closest orthogonal matrix, then a
/// step.
///
///     buffer    <- momentum buffer + (1 - momentum) gradient
///     update    =  momentum buffer + (1 - momentum) gradient   (nesterov; else buffer)
///     parameter <- (1 - lr weight_decay) parameter - lr factor(rows, cols) orthogonalize(update)
///
/// Same names, defaults and numbers as Python's torch.optim.Muon, with the products in the
/// parameter's own type on a CPU (`compute_dtype(ComputeDtype::bfloat16)` rounds them as Python
/// does). Beyond it: parameters of more than two dimensions through matrix views, half-precision
/// parameters, and faster methods: `MuonOptions().method(Method::dwh2)`.
///
/// For matrices only. Embeddings, the output head, biases and gains go to AdamW beside it;
/// MuonWithAuxAdam does both in one.
///
/// Cost     A step costs one `orthogonalize` for each matrix and, on a CPU, a pass over the
///          gradients and one over gradient and momentum. Memory: one momentum buffer for each
///          parameter; and for each thread, kept between steps, the update and some squares of the
///          largest matrix. See docs/performance.md.
/// Errors   as GroupedOptimizer::add_param_group; a vector parameter is refused with what to do
///          instead.
/// Source   K. Jordan, "Muon", 2024; Liu et al., "Muon is Scalable for LLM Training",
///          https://arxiv.org/abs/2502.16982
///
/// Example  muon::Muon muon({model->fc1->weight}, muon::MuonOptions(0.02));
///          torch::optim::AdamW adamw(
///              {model->fc1->bias, model->fc2->weight, model->fc2->bias}, 1e-3);
class MUON_API Muon : public GroupedOptimizer {
 public:
  explicit Muon(std::vector<torch::Tensor> parameters, MuonOptions options = MuonOptions());
  /// Groups without options get `defaults`, whole.
  explicit Muon(const std::vector<ParamGroup>& groups, MuonOptions defaults = MuonOptions());
  template <class Group,
            std::enable_if_t<std::is_same_v<Group, torch::optim::OptimizerParamGroup>, int> = 0>
  explicit Muon(const std::vector<Group>& groups, MuonOptions defaults = MuonOptions())
      : Muon(std::vector<ParamGroup>(groups.begin(), groups.end()), std::move(defaults)) {}
  /// With names, for errors: `Muon(block->named_parameters())`.
  explicit Muon(const torch::OrderedDict<std::string, torch::Tensor>& named_parameters,
                MuonOptions options = MuonOptions());
  /// The part of a plan that is Muon's. The rest is for an AdamW of your own:
  /// `torch::optim::AdamW(plan.adamw_groups())`.
  explicit Muon(const Plan& plan);
};

}  // namespace muon
